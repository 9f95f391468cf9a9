# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine runs whose firmware takes signed programs alone."""

from __future__ import annotations

from testinfra.host import Host

VERSION = "580.178.04"


def test_the_kernel_has_loaded_the_signed_module(host: Host) -> None:
    assert host.file("/sys/module/nvidia/version").content_string.strip() == VERSION
    assert host.check_output("/sbin/modinfo -F signer nvidia") == "DKMS module signing key"
    assert not host.file("/sys/module/nouveau").exists


def test_the_kernel_would_not_have_loaded_an_unsigned_one(host: Host) -> None:
    host.check_output(
        "cp $(/sbin/modinfo -F filename nvidia) /root/unsigned.ko && strip --strip-debug /root/unsigned.ko"
    )
    host.check_output("/sbin/rmmod nvidia")
    refused = host.run("/sbin/insmod /root/unsigned.ko")
    loaded = host.run("/sbin/modprobe nvidia")
    assert refused.rc != 0
    assert "Key was rejected by service" in refused.stderr or "Operation not permitted" in refused.stderr
    assert loaded.rc == 0, loaded.stderr


def test_the_persistence_daemon_runs(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_running


def test_the_private_key_is_the_roots_alone(host: Host) -> None:
    assert host.file("/var/lib/dkms/mok.key").mode == 0o600
