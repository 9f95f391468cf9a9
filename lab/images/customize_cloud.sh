#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run in the tree of a distribution's cloud image, which is $1: brings what machines of the lab have, and what a hoster sets.
# Packages that the image has stay as they are; its kernel is the newest of the distribution, the only one.
set -eu
root=$1
in_tree() {
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes --no-install-recommends "$@"
}

# A kernel's package would write a menu anew, for which there is no disk here.
rm -f "$root/boot/grub/grub.cfg"
in_tree update
in_tree --no-upgrade install $EVENKEEL_PACKAGES
in_tree install $EVENKEEL_KERNEL
[ -z "$EVENKEEL_REMOVED" ] || in_tree purge $EVENKEEL_REMOVED
for release in $(ls "$root/lib/modules" | sort --version-sort | head --lines=-1); do
    in_tree purge $(chroot "$root" dpkg-query --show --showformat '${Package} ' "linux-*-$release")
    rm -rf "$root/lib/modules/$release"
done

# cloud-init finds its settings at once, and leaves alone what a site without the world has: its name, network and sources.
install -d "$root/etc/cloud/cloud.cfg.d"
cat >"$root/etc/cloud/cloud.cfg.d/99-evenkeel-lab.cfg" <<'EOF_CLOUD'
datasource_list: [NoCloud]
datasource: {NoCloud: {meta-data: {instance-id: evenkeel-lab}, user-data: "#cloud-config\n{}\n"}}
preserve_hostname: true
network: {config: disabled}
apt: {preserve_sources_list: true}
EOF_CLOUD

# The address comes from QEMU. The first file that matches an interface counts; the distribution's own would ask for DHCP.
install -d "$root/etc/systemd/system-generators"
cat >"$root/etc/systemd/system-generators/evenkeel-lab-network" <<'EOF_GENERATOR'
#!/bin/sh
set -eu
mkdir -p /run/systemd/network
printf '[Match]\nName=eth0\n[Network]\nAddress=%s\nIPv6AcceptRA=no\n' "$(cat /sys/class/dmi/id/product_sku)" \
    >/run/systemd/network/05-evenkeel-lab.network
EOF_GENERATOR
chmod 0755 "$root/etc/systemd/system-generators/evenkeel-lab-network"
