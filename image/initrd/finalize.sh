#!/bin/sh
# Runs on the build machine when the initrd's tree is complete: no shell, no network, nothing that changes PCRs at run time.
set -eu
units=$BUILDROOT/usr/lib/systemd/system
for path in "$units"/systemd-pcr* "$units"/systemd-tpm2-* "$units"/systemd-network* "$units"/systemd-firstboot.service; do
  ln -sf /dev/null "$BUILDROOT/etc/systemd/system/${path##*/}"
done
rm -rf "$BUILDROOT"/usr/bin/bash "$BUILDROOT"/usr/bin/dash "$BUILDROOT"/usr/bin/sh "$BUILDROOT"/usr/bin/perl* \
  "$BUILDROOT"/usr/bin/apt* "$BUILDROOT"/usr/bin/dpkg* "$BUILDROOT"/usr/lib/x86_64-linux-gnu/perl* \
  "$BUILDROOT"/usr/lib/x86_64-linux-gnu/gconv
