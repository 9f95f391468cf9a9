#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a node as $1: makes it pass for the Ubuntu that EVENKEEL_RELEASE names. Below that it
# stays a Debian.
set -eu
root=$1
case $EVENKEEL_RELEASE in
ubuntu2204) version=22.04 point=22.04.5 codename=jammy name='Jammy Jellyfish' debian=bookworm/sid ;;
ubuntu2404) version=24.04 point=24.04.3 codename=noble name='Noble Numbat' debian=trixie/sid ;;
ubuntu2604) version=26.04 point=26.04 codename=resolute name='Resolute Raccoon' debian=forky/sid ;;
esac

rm -f "$root/etc/os-release"
cat >"$root/usr/lib/os-release" <<EOF_RELEASE
PRETTY_NAME="Ubuntu $point LTS, as Evenkeel's lab plays it"
NAME="Ubuntu"
VERSION_ID="$version"
VERSION="$point LTS ($name)"
VERSION_CODENAME=$codename
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=$codename
EOF_RELEASE
ln -s ../usr/lib/os-release "$root/etc/os-release"
printf '%s\n' "$debian" >"$root/etc/debian_version"
printf 'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=%s\nDISTRIB_CODENAME=%s\nDISTRIB_DESCRIPTION="Ubuntu %s LTS"\n' \
    "$version" "$codename" "$point" >"$root/etc/lsb-release"
printf 'Vendor: Ubuntu\nVendor-URL: https://www.ubuntu.com/\nParent: Debian\n' >"$root/etc/dpkg/origins/ubuntu"
ln -sf ubuntu "$root/etc/dpkg/origins/default"

# The account that Ubuntu's cloud images have.
chroot "$root" useradd --create-home --shell /bin/bash --comment Ubuntu --groups adm,sudo ubuntu

printf 'Acquire::Changelogs::AlwaysOnline "true";\n' >"$root/etc/apt/apt.conf.d/01-vendor-ubuntu"
printf 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n' \
    >"$root/etc/apt/apt.conf.d/20auto-upgrades"
