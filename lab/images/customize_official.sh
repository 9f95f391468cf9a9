#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run in a distribution's official image: installs what a node has, which the arguments name.
set -eu

if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    rm -f /etc/apt/apt.conf.d/docker-clean
    apt-get --quiet=2 update
    apt-get --quiet=2 --yes --no-install-recommends install "$@"
    # A container's image keeps services from starting.
    rm -f /usr/sbin/policy-rc.d
    systemctl --quiet enable ssh.service
else
    dnf --quiet --assumeyes install epel-release
    dnf --quiet --assumeyes install "$@"
    # The python3 of release 8 is too old for Ansible.
    if [ "$(rpm --eval '%rhel')" = 8 ]; then
        dnf --quiet --assumeyes install python3.12
        alternatives --set python3 /usr/bin/python3.12
    fi
    systemctl --quiet enable sshd.service
    # As with apt, nodes have no network of their own.
    rm -f /etc/yum.repos.d/*
fi
install -d /etc/ssh/sshd_config.d /etc/sudoers.d /etc/default /etc/apt
