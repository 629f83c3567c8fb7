#!/bin/sh
# Runs the tests on the Python of Asterisk's root file system (3.13 or newer), where audioop is audioop-lts.
# What needs SIP phones and speech stays with `make test`: those programs are not in that tree.
#
#   deploy/test-newest-python.sh CACHE_DIR
set -eu

project=$(cd "$(dirname "$0")/.." && pwd)
cache=$(cd "$1" && pwd)
root=$(sh "$project/deploy/asterisk-root.sh" --own "$cache")
mkdir -p "$cache/newest-python"

# A mount namespace of its own: nothing stays mounted, whatever happens.
exec unshare -m sh -euc '
root=$1 project=$2 cache=$3
mkdir -p "$root/src" "$root/cache"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs voicebot "$root/tmp"
mount --bind "$project" "$root/src"
mount --bind "$cache/newest-python" "$root/cache"
# The host says how to reach the package index: names, certificates, settings of pip.
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    [ -e "$file" ] || continue
    [ -e "$root$file" ] || touch "$root$file"
    mount --bind "$file" "$root$file"
done
exec chroot "$root" sh -euc "
cd /src
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis
python3 --version
[ -x /cache/venv/bin/python ] || python3 -m venv /cache/venv
/cache/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements/dev.txt
/cache/venv/bin/python -c \"import audioop; print(\\\"audioop is\\\", audioop.__file__)\"
exec /cache/venv/bin/python -m pytest -q -p no:cacheprovider -m \"not asterisk and not speech\"
"' enter "$root" "$project" "$cache"
