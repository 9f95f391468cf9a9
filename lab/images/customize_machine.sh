#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a node as $1: makes it boot on a disk of its own, with GRUB and Debian's kernel.
set -eu
root=$1

printf 'LABEL=evenkeel / ext4 errors=remount-ro 0 0\n' >"$root/etc/fstab"

# The machine's name and address come from QEMU; the second serial port passes its host key to the lab.
# What QEMU has no device for is put beside the others.
cat >"$root/usr/local/sbin/evenkeel-lab-identity" <<'EOF_SCRIPT'
#!/bin/sh
set -eu
hostname "$(cat /sys/class/dmi/id/product_serial)"
ip address replace "$(cat /sys/class/dmi/id/product_sku)" dev eth0
ip link set eth0 up
key=/etc/ssh/ssh_host_ed25519_key
test -s $key || ssh-keygen -q -t ed25519 -N '' -f $key
{ echo; cat $key.pub; } >/dev/ttyS1  # firmware may have begun a line there

# An H100, as far as reading sysfs shows one.
devices=/sys/bus/pci/devices
mkdir -p /run/evenkeel-lab-pci/0000:7f:00.0
cp -P $devices/* /run/evenkeel-lab-pci/
cd /run/evenkeel-lab-pci/0000:7f:00.0
echo 0x10de >vendor
echo 0x2330 >device
echo 0x030200 >class
mount --bind /run/evenkeel-lab-pci $devices
EOF_SCRIPT
chmod 0755 "$root/usr/local/sbin/evenkeel-lab-identity"
cat >"$root/etc/systemd/system/evenkeel-lab-identity.service" <<'EOF_UNIT'
[Unit]
Requires=sys-subsystem-net-devices-eth0.device
After=sys-subsystem-net-devices-eth0.device
Wants=network.target
Before=network.target ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/evenkeel-lab-identity

[Install]
WantedBy=multi-user.target
EOF_UNIT
chroot "$root" systemctl --quiet enable evenkeel-lab-identity.service

# udev loads the driver for the host bridge, as it would for a GPU; the device that the driver would make is there.
printf 'c /dev/nvidiactl 0666 root root - 1:3\n' >"$root/etc/tmpfiles.d/evenkeel-lab.conf"
install -d "$root/etc/udev/rules.d"
printf '%s\n' 'SUBSYSTEM=="pci", ACTION=="add", ATTR{class}=="0x060000", RUN{builtin}+="kmod load nvidia"' \
    >"$root/etc/udev/rules.d/80-evenkeel-lab.rules"

for unit in getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-timesyncd.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# What scenarios install later, such as another kernel, in a repository of the machine's own: the lists of all of Debian take
# minutes to read.
repository=$root/usr/local/share/evenkeel-lab-debian
install -d "$repository"
rm -f "$root"/var/cache/apt/archives/*.deb
chroot "$root" apt-get --yes --no-install-recommends --download-only install $EVENKEEL_AT_HAND
mv "$root"/var/cache/apt/archives/*.deb "$repository"
for package in "$repository"/*.deb; do
    dpkg-deb --field "$package"
    printf 'Filename: ./%s\n' "${package##*/}"
    printf 'Size: %s\n' "$(stat --format %s "$package")"
    printf 'SHA256: %s\n\n' "$(sha256sum "$package" | cut -d ' ' -f 1)"
done >"$repository/Packages"

# nouveau in the initial RAM disk: modprobe stands in for the card that would have udev load it.
cat >"$root/etc/initramfs-tools/hooks/nouveau" <<'EOF_HOOK'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
# manual_add_modules would look for each of its firmware's files.
modprobe --set-version="$version" --ignore-install --show-depends nouveau | while read -r _ path _; do
    copy_file module "$path" || true
done
EOF_HOOK
cat >"$root/etc/initramfs-tools/scripts/init-premount/nouveau" <<'EOF_PREMOUNT'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
modprobe --quiet --use-blacklist nouveau || true
EOF_PREMOUNT
chmod 0755 "$root/etc/initramfs-tools/hooks/nouveau" "$root/etc/initramfs-tools/scripts/init-premount/nouveau"
chroot "$root" update-initramfs -u -k all

# The first menu is written here, where grub-mkconfig finds no disk; the machine's own tools write all that follow.
arguments='console=ttyS0 loglevel=5 net.ifnames=0 mitigations=off'
install -d "$root/etc/default/grub.d" "$root/boot/grub"
printf '%s\n' GRUB_TIMEOUT=0 GRUB_TERMINAL=console GRUB_FORCE_PARTUUID= \
    "GRUB_CMDLINE_LINUX=\"\$GRUB_CMDLINE_LINUX $arguments\"" >"$root/etc/default/grub.d/zz-evenkeel-lab.cfg"
release=$(ls "$root/lib/modules")
cp -r /usr/lib/grub/i386-pc "$root/boot/grub/"
cat >"$root/boot/grub/grub.cfg" <<EOF_MENU
set timeout=0
menuentry 'Debian GNU/Linux, with Linux $release' {
	linux /boot/vmlinuz-$release root=LABEL=evenkeel ro $arguments
	initrd /boot/initrd.img-$release
}
EOF_MENU
