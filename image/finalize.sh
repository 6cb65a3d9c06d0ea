#!/bin/sh
# Runs on the build machine when the root tree is complete: units, masks, and what Debian leaves that the image must not have.
set -eu
unit() { ln -sf "/usr/lib/systemd/system/$1" "$BUILDROOT/etc/systemd/system/multi-user.target.wants/$1"; }
mask() { ln -sf /dev/null "$BUILDROOT/etc/systemd/system/$1"; }

mkdir -p "$BUILDROOT/etc/systemd/system/multi-user.target.wants" "$BUILDROOT/pause_bundle/rootfs" "$BUILDROOT/run" "$BUILDROOT/var/log"
unit podkeep-provision.service
unit podkeep-hub.service
unit podkeep-agent.service
ln -sf /usr/lib/systemd/system/systemd-networkd.service "$BUILDROOT/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"

# firstboot would wait on the console for ever; the others change PCRs at run time or cost boot time for nothing.
for name in systemd-firstboot.service systemd-pcrmachine.service systemd-pcrfs-root.service systemd-pcrphase.service \
  systemd-pcrphase-initrd.service systemd-pcrphase-sysinit.service ldconfig.service systemd-hwdb-update.service \
  systemd-journal-catalog-update.service systemd-update-done.service systemd-logind.service systemd-timesyncd.service \
  systemd-journald-audit.socket apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  fstrim.timer; do
  mask "$name"
done
if [ "${PODKEEP_PROFILE:-production}" = production ]; then
  for name in getty@.service serial-getty@.service console-getty.service getty.target debug-shell.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path emergency.service rescue.service; do
    mask "$name"
  done
  # No shell: everything the image runs is a program of its own.
  rm -f "$BUILDROOT"/bin/bash "$BUILDROOT"/usr/bin/bash "$BUILDROOT"/usr/bin/dash "$BUILDROOT"/usr/bin/sh \
    "$BUILDROOT"/usr/bin/apt* "$BUILDROOT"/usr/bin/dpkg* "$BUILDROOT"/usr/bin/perl* "$BUILDROOT"/usr/bin/login "$BUILDROOT"/usr/bin/su
fi
: >"$BUILDROOT/etc/machine-id"
touch "$BUILDROOT/etc/.updated" "$BUILDROOT/var/.updated"
