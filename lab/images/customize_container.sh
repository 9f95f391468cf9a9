#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a node as $1: makes it boot in a container.
set -eu
root=$1

# A container shares its host's kernel, terminals and clock: what manages those stays off.
for unit in \
    systemd-modules-load.service systemd-sysctl.service systemd-udevd.service systemd-udev-trigger.service \
    systemd-remount-fs.service systemd-journald-audit.socket getty.target console-getty.service \
    dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
install -d "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nReadKMsg=no\n' >"$root/etc/systemd/journald.conf.d/evenkeel-lab.conf"
