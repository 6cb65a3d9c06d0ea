#!/bin/sh
# Runs on the build machine when the root tree is complete: units, masks, and what Debian leaves that the image must not have.
set -eu
units=$BUILDROOT/etc/systemd/system

enable() { ln -sf "/usr/lib/systemd/system/$1" "$units/multi-user.target.wants/$1"; }
mask() { ln -sf /dev/null "$units/$1"; }

mkdir -p "$units/multi-user.target.wants" "$BUILDROOT/run" "$BUILDROOT/var/log"
for name in podkeep-provision podkeep-hub podkeep-agent systemd-networkd systemd-resolved; do
  enable "$name.service"
done
enable podkeep-refresh.timer
# mkosi and Debian point it elsewhere.
ln -sf ../run/systemd/resolve/resolv.conf "$BUILDROOT/etc/resolv.conf"

# Units that would change PCRs at run time or make keys in the TPM.
for path in "$BUILDROOT"/usr/lib/systemd/system/systemd-pcr* "$BUILDROOT"/usr/lib/systemd/system/systemd-tpm2-*; do
  mask "${path##*/}"
done
# firstboot would wait on the console for ever; the others cost boot time for nothing.
for name in systemd-firstboot.service ldconfig.service systemd-hwdb-update.service systemd-journal-catalog-update.service \
  systemd-update-done.service systemd-logind.service systemd-timesyncd.service systemd-journald-audit.socket \
  systemd-networkd-wait-online.service systemd-sysext.service systemd-confext.service systemd-boot-random-seed.service \
  systemd-boot-update.service systemd-network-generator.service dbus.service dbus.socket apt-daily.timer \
  apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
  mask "$name"
done
# Generators make units at boot. gpt-auto would mount and swap to whatever partitions the host adds to the disk (threat model row
# 64); there is nothing here for the others.
mkdir -p "$BUILDROOT/etc/systemd/system-generators"
without_generators() {
  for name; do ln -sf /dev/null "$BUILDROOT/etc/systemd/system-generators/systemd-$name-generator"; done
}
without_generators gpt-auto hibernate-resume rc-local ssh system-update sysv

if [ "$PODKEEP_PROFILE" = production ]; then
  for name in getty@.service serial-getty@.service console-getty.service container-getty@.service getty.target \
    debug-shell.service systemd-ask-password-console.path systemd-ask-password-wall.path; do
    mask "$name"
  done
  # They make shells and commands out of the kernel's command line (threat model row 72).
  without_generators debug getty run
  # No shell and nothing that needs one: all that the image runs is a program of its own.
  for name in bash dash sh rbash awk mawk perl login su sulogin agetty apt dpkg; do
    rm -f "$BUILDROOT"/usr/bin/"$name" "$BUILDROOT"/usr/bin/"$name"-* "$BUILDROOT"/usr/sbin/"$name" \
      "$BUILDROOT"/usr/sbin/"$name"-*
  done
  rm -rf "$BUILDROOT"/usr/bin/perl* "$BUILDROOT"/usr/lib/x86_64-linux-gnu/perl* "$BUILDROOT"/usr/share/perl*
fi
rm -rf "$BUILDROOT"/usr/lib/x86_64-linux-gnu/gconv
# All that runs is root already, or a container, which has files of its own.
find "$BUILDROOT/usr" -type f -perm /6000 -exec chmod ug-s {} +
: >"$BUILDROOT/etc/machine-id"
touch "$BUILDROOT/etc/.updated" "$BUILDROOT/var/.updated"
