#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a machine as $1: gives Debian's kernels the packages that bring Ubuntu's, and takes the
# headers out of the machine into its own repository. What a kernel prints as its release stays Debian's.
set -eu
root=$1
repository=$root/usr/local/share/evenkeel-lab-debian
release=$(ls "$root/lib/modules")
cloud=$(basename "$repository"/linux-image-[0-9]*-cloud-amd64_*.deb)
cloud=${cloud#linux-image-}
cloud=${cloud%%_*}

# A meta package: its name, the package that it brings, and one more.
meta() {
    folder=$(mktemp -d)
    install -d "$folder/DEBIAN"
    printf '%s\n' "Package: $1" 'Source: linux-meta' "Version: ${release%-*}.1" 'Architecture: amd64' 'Section: kernel' \
        'Maintainer: Evenkeel' "Depends: $2${3:+, $3}" "Description: brings $2" >"$folder/DEBIAN/control"
    chmod 0755 "$folder"
    dpkg-deb --root-owner-group --build "$folder" "$repository/$1.deb" >/dev/null
    rm -r "$folder"
}
meta linux-image-generic "linux-image-$release"
meta linux-headers-generic "linux-headers-$release"
meta linux-generic linux-image-generic linux-headers-generic
meta linux-image-aws "linux-image-$cloud"
meta linux-headers-aws "linux-headers-$cloud"
meta linux-aws linux-image-aws linux-headers-aws

(cd "$repository" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --quiet=2 download "linux-headers-$release")
chroot "$root" dpkg --purge linux-headers-amd64 "linux-headers-$release" linux-image-amd64
chroot "$root" dpkg --install "${repository#"$root"}/linux-image-generic.deb"

rm "$repository"/linux-image-cloud-amd64_*.deb "$repository"/linux-headers-cloud-amd64_*.deb
for package in "$repository"/*.deb; do
    dpkg-deb --field "$package"
    printf 'Filename: ./%s\n' "${package##*/}"
    printf 'Size: %s\n' "$(stat --format %s "$package")"
    printf 'SHA256: %s\n\n' "$(sha256sum "$package" | cut -d ' ' -f 1)"
done >"$repository/Packages"
