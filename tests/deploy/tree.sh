#!/bin/sh
# A minimal Debian of SUITE, and PACKAGES (with commas between), in the folder ROOT, from the mirror of this host's own apt configuration.
#
#   tests/deploy/tree.sh SUITE ROOT [PACKAGES]
#
# DEBIAN_MIRROR names a mirror when this host's configuration has none of Debian's.
set -eu

suite=$1 root=$2 packages=${3:-ca-certificates}
mirror=${DEBIAN_MIRROR:-}
if [ -z "$mirror" ] && grep -q '^ID=debian$' /etc/os-release; then
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' |
        grep -v -m1 -e '-security')
fi
[ -n "$mirror" ] || { echo "this is not a Debian with a mirror to take from: name one in DEBIAN_MIRROR" >&2; exit 5; }
if [ -z "${http_proxy:-}" ]; then
    proxy=''
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi
fi

script=/usr/share/debootstrap/scripts/$suite
# An older debootstrap has no script for a newer suite; sid's is the one they are all links to.
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
rm -rf "$root"
debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" "$script"
# apt in the tree takes what apt on the host takes: the proxy, and a mirror that stands still.
apt-config dump | grep -E '^Acquire::(http::Proxy|Check-Valid-Until) ' >"$root/etc/apt/apt.conf.d/90host" || true
echo 'APT::Install-Recommends "false";' >>"$root/etc/apt/apt.conf.d/90host"
