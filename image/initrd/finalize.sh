#!/bin/sh
# Runs on the build machine when the initrd's tree is complete: no shell, nothing that changes PCRs at run time.
set -eu
for name in systemd-pcrphase-initrd.service systemd-pcrphase.service systemd-pcrextend.socket systemd-firstboot.service; do
  ln -sf /dev/null "$BUILDROOT/etc/systemd/system/$name"
done
rm -rf "$BUILDROOT"/usr/bin/bash "$BUILDROOT"/usr/bin/dash "$BUILDROOT"/usr/bin/sh "$BUILDROOT"/usr/bin/perl* \
  "$BUILDROOT"/usr/bin/apt* "$BUILDROOT"/usr/bin/dpkg* "$BUILDROOT"/usr/lib/x86_64-linux-gnu/perl* \
  "$BUILDROOT"/usr/lib/x86_64-linux-gnu/gconv
