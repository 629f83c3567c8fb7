#!/bin/sh
# Makes sure of the Debian packages that tests and demo run, then of an Asterisk; prints on stdout where
# that is, as deploy/asterisk-root.sh does.
#
#   deploy/system.sh [--own] CACHE_DIR [PACKAGE…]       no package named: all of deploy/test-packages.txt
#
# --own is passed on to it.
# A package counts as there when its program is, so other distributions serve too.
set -eu

say() { echo "system: $*" >&2; }
fail() { say "$*"; exit 5; }

own=''
if [ "${1:-}" = --own ]; then own=--own; shift; fi
[ $# -ge 1 ] || { echo "usage: system.sh [--own] CACHE_DIR [PACKAGE...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cache=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- $(cat "$here/test-packages.txt")
PATH=$PATH:/usr/sbin:/sbin

program_of() {
    case $1 in
        baresip-core) echo baresip ;;
        iproute2) echo ip ;;
        sip-tester) echo sipp ;;
        *) echo "$1" ;;
    esac
}

missing=''
for package; do
    command -v "$(program_of "$package")" >/dev/null || missing="$missing $package"
done
missing=${missing# }

if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "missing: $missing (Debian's names; there is no apt-get here)"
    if [ "$(id -u)" -ne 0 ]; then
        sh "$here/asterisk-root.sh" $own "$cache" >/dev/null || true  # names what else is missing
        fail "missing: $missing. As root: apt-get install $missing"
    fi
    say "installing $missing"
    {
        apt-get update -q &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
    } >"$cache/apt.log" 2>&1 || {
        tail -n 3 "$cache/apt.log" >&2
        fail "could not install $missing: see $cache/apt.log"
    }
fi

exec sh "$here/asterisk-root.sh" $own "$cache"
