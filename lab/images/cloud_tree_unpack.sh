#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run in name spaces of its own, with which its mounts end: copies the file systems of the disk $1 into the folder $2. $3 is where on
# the disk the root is, as options of mount; $4 is the same for /boot, or nothing.
set -eu
disk=$1 root=$2 system=$3 boot=$4

copy() {
    mount --options "ro,loop,$1" "$disk" /mnt
    cp --archive /mnt/. "$2"
    umount /mnt
}
mkdir "$root"
copy "$system" "$root"
[ -z "$boot" ] || copy "$boot" "$root/boot"
