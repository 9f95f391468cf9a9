#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a node as $1: makes it pass for the Rocky Linux that EVENKEEL_RELEASE names, whose
# package manager is there. Below that it stays a Debian.
set -eu
root=$1
major=${EVENKEEL_RELEASE#rocky}
case $major in
8) version=8.10 name='Green Obsidian' ;;
9) version=9.6 name='Blue Onyx' ;;
10) version=10.0 name='Red Quartz' ;;
esac

rm -f "$root/etc/debian_version" "$root/etc/os-release"
cat >"$root/usr/lib/os-release" <<EOF_RELEASE
NAME="Rocky Linux"
VERSION="$version ($name)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="$version"
PLATFORM_ID="platform:el$major"
PRETTY_NAME="Rocky Linux $version ($name), as Evenkeel's lab plays it"
EOF_RELEASE
ln -s ../usr/lib/os-release "$root/etc/os-release"
printf 'Rocky Linux release %s (%s)\n' "$version" "$name" >"$root/etc/redhat-release"
ln -s redhat-release "$root/etc/rocky-release"
ln -s redhat-release "$root/etc/system-release"

install -d "$root/etc/dnf/vars" "$root/etc/dracut.conf.d" "$root/etc/pki/rpm-gpg" "$root/etc/yum.repos.d"
printf '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\n' >"$root/etc/dnf/dnf.conf"
printf '%s\n' "$major" >"$root/etc/dnf/vars/releasever"
rm "$root/usr/lib/python3/dist-packages/dnf-plugins/local.py" # a package of its own there

# Release 8 has a Python of its own for dnf, beside which the users' Pythons know nothing of it.
if [ "$major" = 8 ]; then
    platform=$root/usr/lib/platform-python
    modules=$platform/lib/$(basename "$(readlink "$root/usr/bin/python3")")/site-packages
    install -d "$platform/bin" "$modules" "$root/usr/libexec"
    ln -s /usr/bin/python3 "$platform/bin/python3"
    printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$platform/pyvenv.cfg"
    (cd "$root/usr/lib/python3/dist-packages" && mv dnf dnfpluginscore gpg hawkey libcomps libdnf rpm "$modules")
    for module in "$root"/usr/lib/python3/dist-packages/_dbus_* dateutil dbus six.py; do
        ln -s "/usr/lib/python3/dist-packages/$(basename "$module")" "$modules"
    done
    printf '#!/bin/sh\nexec /usr/lib/platform-python/bin/python3 "$@"\n' >"$root/usr/libexec/platform-python"
    chmod 0755 "$root/usr/libexec/platform-python"
    sed -i '1s|.*|#!/usr/libexec/platform-python|' "$root/usr/bin/dnf-3"
fi
printf '/usr/lib64\n' >"$root/etc/ld.so.conf.d/lib64.conf"

# Nothing of the other package manager, but for the record of what it has installed.
rm -rf "$root"/etc/apt/*.d/ "$root"/usr/bin/apt "$root"/usr/bin/apt-*
install -d "$root/etc/apt/apt.conf.d"
touch "$root/etc/apt/apt.conf.d/00mmdebstrap" # which mmdebstrap removes
