#!/bin/sh
# Runs on the build machine when the root tree is complete: keeps the kernel modules that a QEMU guest needs, takes the kernel
# out, and leaves nothing that neither podkeep nor crun uses.
set -eu
modules=$(echo "$BUILDROOT"/usr/lib/modules/*)
kept=$(mktemp -d)
for name in failover net_failover virtio_net overlay veth vxlan udp_tunnel ip6_udp_tunnel xfrm_algo xfrm_user virtio_blk dm-mod dm-bufio \
  xor async_tx async_xor dm-integrity authenc xts af_alg algif_skcipher dm-crypt; do
  find "$modules/kernel" -name "$name.ko*" -exec cp {} "$kept" \;
done
for file in "$kept"/*.ko.xz; do [ -e "$file" ] && xz -d "$file"; done
mkdir -p "$OUTPUTDIR"
cp "$BUILDROOT"/boot/vmlinuz-* "$OUTPUTDIR/podkeep-lean.vmlinuz"
rm -rf "$BUILDROOT/usr/lib/modules" "$BUILDROOT/boot" "$BUILDROOT/vmlinuz" "$BUILDROOT/initrd.img"
mkdir -p "$BUILDROOT/usr/lib/modules"
cp "$kept"/*.ko "$BUILDROOT/usr/lib/modules/"
rm -rf "$kept" "$BUILDROOT"/usr/bin/perl* "$BUILDROOT"/usr/lib/x86_64-linux-gnu/perl* "$BUILDROOT"/usr/bin/dpkg* \
  "$BUILDROOT"/usr/lib/x86_64-linux-gnu/gconv "$BUILDROOT"/usr/lib/udev/hwdb*
ln -sf /usr/lib/podkeep/lean-init "$BUILDROOT/init"
mkdir -p "$BUILDROOT/proc" "$BUILDROOT/sys" "$BUILDROOT/dev" "$BUILDROOT/run" "$BUILDROOT/tmp"
