#!/bin/sh
# Makes a virtual environment with the locked packages and the command bin/voicebot; the code itself goes to
# TARGET/app/bot, which the caller copies. Serves the container image and deploy/install.sh alike.
#
#   deploy/virtualenv.sh TARGET LOCK [PYTHON]
#
# LOCK is the name of a lock file in deploy/requirements: runtime, offline with the embedded model, full with every
# extra.
# TARGET must not exist; nothing in it is meant to be changed afterwards, an upgrade makes a new one.
set -eu

[ $# -ge 2 ] || { echo "usage: virtualenv.sh TARGET LOCK [PYTHON]" >&2; exit 2; }
target=$1 lock=$2 python=${3:-python3}
project=$(cd "$(dirname "$0")/.." && pwd)

"$python" -m venv "$target"
"$target/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-compile --only-binary :all: \
    --require-hashes -r "$project/deploy/requirements/$lock.txt"

packages=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$target/app" >"$packages/voicebot.pth"
find "$target" -name __pycache__ -prune -exec rm -rf {} +
# What only building needs.
rm -rf "$packages/pip" "$packages"/pip-*.dist-info "$packages/setuptools" "$packages"/setuptools-*.dist-info \
    "$packages/pkg_resources" "$packages/_distutils_hack" "$packages/distutils-precedence.pth" "$target"/bin/pip*
"$target/bin/python" -m compileall -q "$packages"

cat >"$target/bin/voicebot" <<TEXT
#!$target/bin/python
from bot.cli import main

main()
TEXT
chmod 755 "$target/bin/voicebot"
