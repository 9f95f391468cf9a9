#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run in name spaces of its own, with which its mounts end: runs scripts with the tree $1, as mmdebstrap would. The scripts follow.
# Options of apt come on standard input.
set -eu
root=$1
shift

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
