#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run in name spaces of its own, with which its mounts end: copies the file systems of the disk $1 into the folder $2, and runs
# scripts with that tree, as mmdebstrap would. $3 is where on the disk the root is, as options of mount; $4 is the same for
# /boot, or nothing. The scripts follow. Options of apt come on standard input.
set -eu
disk=$1 root=$2 system=$3 boot=$4
shift 4

copy() {
    mount --options "ro,loop,$1" "$disk" /mnt
    cp --archive /mnt/. "$2"
    umount /mnt
}
mkdir "$root"
copy "$system" "$root"
[ -z "$boot" ] || copy "$boot" "$root/boot"

mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
# Of devices those alone that hold nothing: an image's boot loader would look for disks.
mount -t tmpfs tmpfs "$root/dev"
for device in full null random tty urandom zero; do
    cp --archive "/dev/$device" "$root/dev"
done
ln -s /proc/self/fd "$root/dev/fd"

resolver=$root$(chroot "$root" realpath --canonicalize-missing /etc/resolv.conf)
mkdir -p "$(dirname "$resolver")"
touch "$resolver"
mount --bind /etc/resolv.conf "$resolver"
cat >"$root/run/apt.conf"
export APT_CONFIG=/run/apt.conf

printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
for script; do
    sh "$script" "$root"
done
rm -rf "$root/usr/sbin/policy-rc.d" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
