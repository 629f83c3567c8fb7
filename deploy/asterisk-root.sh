#!/bin/sh
# Makes sure that there is an Asterisk, and prints on stdout where: "/" when the one in PATH will do
# (version 16 or newer), else CACHE_DIR/root, a root file system with Debian's package, built once.
#
#   deploy/asterisk-root.sh CACHE_DIR
#
# DEBIAN_MIRROR names a mirror when this host's own apt configuration has none of Debian's.
set -eu

PACKAGES=asterisk,ca-certificates,python3,python3-venv
SUITE=forky

say() { echo "asterisk-root: $*" >&2; }
fail() { say "$*"; exit 5; }

[ $# -eq 1 ] || { echo "usage: asterisk-root.sh CACHE_DIR" >&2; exit 2; }

version_in_path() { asterisk -V 2>/dev/null | sed -n 's/^Asterisk [A-Za-z/-]*\([0-9]*\).*/\1/p'; }
found=$(version_in_path)
if [ "${found:-0}" -ge 16 ]; then
    say "using Asterisk $found from PATH"
    echo /
    exit 0
fi

[ "$(id -u)" -eq 0 ] || fail "no Asterisk 16 or newer in PATH, and another root file system needs root:" \
    "run this as root, install Asterisk, or use the containers of docker-compose.yml"

mkdir -p "$1"
cache=$(cd "$1" && pwd)
root=$cache/root
if [ -x "$root/usr/sbin/asterisk" ]; then
    echo "$root"
    exit 0
fi

# Two runs at once: the second waits, then finds the work done.
exec 9>"$cache/root.lock"
flock 9
if [ -x "$root/usr/sbin/asterisk" ]; then
    echo "$root"
    exit 0
fi

if ! command -v debootstrap >/dev/null; then
    command -v apt-get >/dev/null || fail "no debootstrap, and no apt-get to install it with"
    say "installing debootstrap"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
        debootstrap; } >"$cache/apt.log" 2>&1 || fail "could not install debootstrap: see $cache/apt.log"
fi

# The host's own choice of mirror and proxy serves here too.
mirror=${DEBIAN_MIRROR:-}
if [ -z "$mirror" ] && grep -q '^ID=debian$' /etc/os-release; then
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' |
        grep -v -m1 -e '-security')
fi
[ -n "$mirror" ] || fail "this is not a Debian with a mirror to take from: name one in DEBIAN_MIRROR"
if [ -z "${http_proxy:-}" ] && command -v apt-config >/dev/null; then
    proxy=''
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi
fi

script=/usr/share/debootstrap/scripts/$SUITE
# An older debootstrap has no script for a newer suite; sid's is the one they are all links to.
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid

partial=$cache/root.partial
rm -rf "$partial"
log=$cache/debootstrap.log
say "building a root file system with Debian's Asterisk (about a minute, 500 MB)"
{ debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$partial" "$mirror" "$script" 2>&1 ||
    echo "FAILED"; } | tee "$log" | awk '
    /^I: (Retrieving|Extracting|Unpacking|Configuring)/ {
        if (++count[$2] % 50 == 1) { print "asterisk-root: " tolower($2) " packages (" count[$2] ")"; fflush() }
    }' >&2
if grep -q '^FAILED$' "$log" || [ ! -x "$partial/usr/sbin/asterisk" ]; then
    tail -n 5 "$log" >&2
    fail "debootstrap failed: see $log"
fi
rm -rf "$partial/var/cache/apt/archives" "$partial/var/lib/apt/lists"
mkdir -p "$partial/var/cache/apt/archives/partial" "$partial/var/lib/apt/lists/partial"
# Without the host's names some answers of Asterisk wait for a name server.
cp /etc/hosts "$partial/etc/hosts"
mv "$partial" "$root"
say "built $root"
echo "$root"
