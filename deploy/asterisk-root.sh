#!/bin/sh
# Makes sure that there is an Asterisk, and prints on stdout where: "/" when the one in PATH will do
# (version 16.6 or newer), else CACHE_DIR/root, a root file system with Debian's package, built once.
#
#   deploy/asterisk-root.sh [--own] CACHE_DIR
#
# --own: never the one in PATH. Tests go by what they know, and this machine may be somebody's PBX.
# DEBIAN_MIRROR names a mirror when this host's own apt configuration has none of Debian's.
set -eu

PACKAGES=asterisk,ca-certificates,python3,python3-venv
SUITE=forky

say() { echo "asterisk-root: $*" >&2; }
fail() { say "$*"; exit 5; }

own=''
if [ "${1:-}" = --own ]; then own=yes; shift; fi
[ $# -eq 1 ] || { echo "usage: asterisk-root.sh [--own] CACHE_DIR" >&2; exit 2; }

# Hundreds are the major version.
version_in_path() {
    asterisk -V 2>/dev/null | sed -n 's/^Asterisk [A-Za-z/-]*\([0-9]*\)[.]\([0-9]*\).*/\1 \2/p' |
        { read -r major minor && echo $((major * 100 + minor)); }
}
if [ -z "$own" ]; then
    found=$(version_in_path) || found=0
    if [ "$found" -ge 1606 ]; then
        say "using the Asterisk in PATH"
        echo /
        exit 0
    fi
    lacking="no Asterisk 16.6 or newer in PATH, and another root file system"
    instead="install Asterisk, or use the containers of docker-compose.yml"
else
    lacking="the Asterisk of the tests, in a root file system of its own,"
    instead="in a virtual machine for instance"
fi

[ "$(id -u)" -eq 0 ] || fail "$lacking needs root: run this as root, $instead"
# Root of an unprivileged container may mount nothing; debootstrap and chroot would fail with fewer words.
command -v unshare >/dev/null || fail "no unshare: apt-get install util-linux"
unshare -m true 2>/dev/null || fail "root may not mount here (a container without privileges?):" \
    "run this on the machine itself, or in a container with --privileged"

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
