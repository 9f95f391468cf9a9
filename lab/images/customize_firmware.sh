#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a machine as $1: brings firmware with Secure Boot and the signed programs that it starts;
# the lab takes them out of the tree.
set -eu
root=$1

firmware=$root/usr/local/share/evenkeel-lab-firmware
install -d "$firmware/partition/EFI/BOOT" "$firmware/packages/tree"
(
    cd "$firmware/packages"
    chroot "$root" sh -c 'cd /usr/local/share/evenkeel-lab-firmware/packages &&
        apt-get --quiet=2 download grub-efi-amd64-signed ovmf shim-helpers-amd64-signed shim-signed'
    for package in *.deb; do
        dpkg-deb --extract "$package" tree
    done
    cd tree/usr
    cp share/OVMF/OVMF_CODE_4M.secboot.fd "$firmware/code.fd"
    cp share/OVMF/OVMF_VARS_4M.ms.fd "$firmware/variables.fd"
    cp lib/shim/shimx64.efi.signed "$firmware/partition/EFI/BOOT/bootx64.efi"
    cp lib/shim/mmx64.efi.signed "$firmware/partition/EFI/BOOT/mmx64.efi"
    cp lib/grub/x86_64-efi-signed/grubx64.efi.signed "$firmware/partition/EFI/BOOT/grubx64.efi"
)
rm -r "$firmware/packages"
