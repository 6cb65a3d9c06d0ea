#!/bin/sh
# Installs the Debian packages that building and booting the image needs on this machine. Everything else is in the tools tree
# that image/build.ts makes. Says what it does; does nothing when all is there.
set -eu

say() { printf 'image set-up: %s\n' "$*"; }
stop() { printf 'image set-up: %s\n' "$*" >&2; exit 1; }

[ "$(uname -m)" = x86_64 ] || stop 'the image is built on x86-64 machines only'
[ "$(id -u)" = 0 ] || stop 'building the image needs root: it makes chroots and mounts in a mount namespace of its own'

# program or file that proves the package, then the package
needed='
/usr/sbin/debootstrap debootstrap
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
/usr/bin/python3 python3
/usr/bin/unshare util-linux
'
missing=$(printf '%s' "$needed" | while read -r proof package; do
  [ -z "$proof" ] || [ -e "$proof" ] || printf ' %s' "$package"
done)
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || stop "these packages are missing and there is no apt-get to install them:$missing"
say "installing the Debian packages$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null || stop 'apt-get update failed: is a Debian mirror reachable?'
# The list is split on purpose.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null || stop "apt-get could not install$missing"
