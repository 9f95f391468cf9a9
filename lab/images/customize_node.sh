#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by mmdebstrap with the tree of a fresh Debian as $1: makes it a node, as a hoster would hand it over.
set -eu
root=$1

# The account operators come in with, by key alone.
chroot "$root" useradd --create-home --shell /bin/bash --comment 'Operator' ops
install -d -m 0700 "$root/home/ops/.ssh"
printf '%s\n' "$EVENKEEL_PUBLIC_KEY" >"$root/home/ops/.ssh/authorized_keys"
chmod 0600 "$root/home/ops/.ssh/authorized_keys"
chroot "$root" chown -R ops:ops /home/ops/.ssh
printf 'ops ALL=(ALL:ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/ops"
chmod 0440 "$root/etc/sudoers.d/ops"

printf '%s\n' 'PermitRootLogin no' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \
    'HostKey /etc/ssh/ssh_host_ed25519_key' >"$root/etc/ssh/sshd_config.d/evenkeel-lab.conf"

# Every node has its own identity, made at its first boot.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
install -d "$root/etc/systemd/system/ssh.service.d"
cat >"$root/etc/systemd/system/ssh.service.d/host-key.conf" <<'EOF_UNIT'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
EOF_UNIT

# Nodes have no network of their own: no source to ask, no list that could be stale.
rm -rf "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap
printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
