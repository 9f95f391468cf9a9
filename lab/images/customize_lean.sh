#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a machine as $1: leaves out what emulation takes too long for.
set -eu
root=$1

# Under emulation it takes a minute to unpack all modules of a kernel, and half of one to index them.
modules='
    arch/x86/crypto/* crypto/* lib/* fs/autofs/* fs/binfmt_misc.ko fs/configfs/* fs/efivarfs/* fs/ext4/* fs/fuse/* fs/jbd2/*
    fs/mbcache.ko net/core/* drivers/acpi/* drivers/block/loop.ko drivers/block/virtio_blk.ko
    drivers/char/hw_random/* drivers/gpu/drm/display/* drivers/gpu/drm/drm*.ko drivers/gpu/drm/nouveau/*
    drivers/gpu/drm/ttm/* drivers/i2c/algos/* drivers/md/dm-mod.ko drivers/media/cec/*
    drivers/media/rc/rc-core.ko drivers/net/net_failover.ko drivers/net/virtio_net.ko
    drivers/platform/x86/*wmi.ko drivers/virtio/*
'
set -f
{
    printf 'path-exclude=/lib/modules/*/kernel/*.ko\n'
    printf 'path-include=/lib/modules/*/kernel/%s\n' $modules
} >"$root/etc/dpkg/dpkg.cfg.d/evenkeel-lab"
set --
for pattern in $modules; do
    set -- "$@" ! -path "*/kernel/$pattern"
done
find "$root/lib/modules/" -name '*.ko' "$@" -delete
set +f
chroot "$root" depmod "$(ls "$root/lib/modules")"

printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >"$root/etc/initramfs-tools/conf.d/evenkeel-lab"
for hook in dmsetup fsck keymap thermal; do
    rm -f "$root/usr/share/initramfs-tools/hooks/$hook"
done
printf '%s\n' virtio_pci virtio_blk virtio_net ext4 >>"$root/etc/initramfs-tools/modules"

printf '%s\n' GRUB_DEFAULT=0 GRUB_TIMEOUT_STYLE=hidden GRUB_DISABLE_OS_PROBER=true GRUB_DISABLE_RECOVERY=true \
    GRUB_DISABLE_SUBMENU=true >"$root/etc/default/grub"
rm -f "$root"/etc/grub.d/20_linux_xen "$root"/etc/grub.d/30_*
