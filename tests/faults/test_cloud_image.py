# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine on a cloud image that is partitioned and set up as Debian's and Ubuntu's are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.progress import Progress

from lab import paths, process
from lab.images import image, official
from lab.nodes import nodes, ssh
from lab.upstream.debian import deb_package
from lab.upstream.os_package import OsPackage

pytestmark = pytest.mark.long

GROUP = "faults-cloud"
PACKAGES = (
    *("apt", "ca-certificates", "cloud-guest-utils", "cloud-init", "fdisk", "grub-cloud-amd64", "libpam-systemd"),
    *("linux-image-amd64", "netplan.io", "openssh-server", "python3", "sudo", "systemd-resolved", "systemd-sysv"),
    *("systemd-timesyncd", "unattended-upgrades"),
)
#: The kernel that was the newest when the image was made.
OLDER = OsPackage(
    *("linux-image-6.1.0-1-amd64", "6.1.4-1", "amd64", "an older kernel"),
    files={"boot/vmlinuz-6.1.0-1-amd64": "", "lib/modules/6.1.0-1-amd64/modules.builtin": ""},
)
#: What such images have, which must not decide what the lab's machines boot and whom they ask.
SETTINGS = {
    "boot/grub/grub.cfg": "menuentry 'Debian' {\n\tlinux /vmlinuz root=PARTUUID=0 ro\n}\n",
    "etc/cloud/cloud.cfg.d/01_debian_cloud.cfg": "apt: {generate_mirrorlists: true}\nmanage_etc_hosts: true\n",
    "etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: [NoCloud, ConfigDrive, OpenStack, Ec2, None]\n",
    "etc/default/grub.d/10_cloud.cfg": 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 consoleblank=0"\n',
    "etc/default/grub.d/40-force-partuuid.cfg": "GRUB_FORCE_PARTUUID=0a1b2c3d-4e5f-6789-abcd-ef0123456789\n",
    "etc/fstab": "PARTUUID=0 / ext4 rw 0 1\nLABEL=BOOT /boot ext4 rw 0 2\nLABEL=UEFI /boot/efi vfat rw 0 1\n",
    "etc/netplan/90-default.yaml": "network: {version: 2, ethernets: {all-eth: {match: {name: eth*}, dhcp4: true}}}\n",
}
PARTITIONS = """label: gpt
start=1064960, type=0fc63daf-8483-4772-8e79-3d69d8477de4
start=2048, size=8192, type=21686148-6449-6e6f-744e-656564454649
start=10240, size=16384, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b
start=26624, size=1038336, type=bc13c2ff-59e6-4262-a352-b275fd6f7172
"""
#: By file system: where it begins, and its size in KiB.
ROOT, BOOT = (1064960 * 512, "4709376k"), (26624 * 512, "519168k")


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """Return a published image."""
    tree, boot, disk, script = (tmp_path / name for name in ("tree", "boot", "disk.raw", "customize.sh"))
    older = deb_package.write(OLDER, tmp_path)
    script.write_text(f"""set -eu
        cp {older} "$1/tmp" && chroot "$1" dpkg --install "/tmp/{older.name}" && rm "$1/tmp/{older.name}"
        chroot "$1" systemctl --quiet enable systemd-networkd.service systemd-resolved.service
        ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"
        rm "$1/etc/apt/apt.conf.d/99mmdebstrap"
        truncate --size=5G "$1/disk.raw"
        chroot "$1" sfdisk --quiet /disk.raw <<'EOF'
{PARTITIONS}
EOF
        mv "$1/disk.raw" {disk}
    """)
    image.bootstrap("bookworm", tree, PACKAGES, (script,), "", lambda _said: None)
    for path, text in SETTINGS.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tree / "boot").rename(boot)
    (tree / "boot").mkdir()
    for folder, (offset, size) in ((tree, ROOT), (boot, BOOT)):
        process.run(["mke2fs", "-q", "-t", "ext4", "-d", folder, "-E", f"offset={offset}", disk, size], remedy="")
    published = tmp_path / "debian-12-generic-amd64.qcow2"
    process.run(["qemu-img", "convert", "-O", "qcow2", disk, published], remedy="")
    for path in (tree, boot):
        shutil.rmtree(path)
    disk.unlink()
    return published


@pytest.fixture
def node(cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[nodes.Node]:
    monkeypatch.setattr(paths, "MACHINES", tmp_path / "machines")
    monkeypatch.setenv(official.VARIABLE, f"debian12vm={cloud}")
    try:
        with Progress(disable=True) as progress:
            yield from nodes.up(GROUP, ["debian12vm"], progress, fresh=True)
    finally:
        nodes.down(GROUP)
        cloud.unlink()
        shutil.rmtree(paths.MACHINES, ignore_errors=True)


def test_a_machine_of_it_boots_without_a_failed_unit_and_takes_orders(node: nodes.Node) -> None:
    def said(command: str) -> str:
        return process.run(ssh.command(node.address, remote=(command,)), remedy="").strip()

    assert said("systemctl is-system-running") == "running"
    assert said("sudo id --user; id --user --name; hostname") == "0\nops\ndebian12vm-1"
    assert said("python3 -c 'import apt; print(apt.__name__)'; fish --version | cut -d, -f1; zsh -c 'echo zsh'") == (
        "apt\nfish\nzsh"
    )
    # Its site: known at once, with an address and no packages.
    assert said("cloud-init status; cloud-id") == "status: done\nnocloud"
    assert said("networkctl status eth0 | grep --only-matching 'evenkeel-lab.network'") == "evenkeel-lab.network"
    assert said("ip -4 -brief address show scope global").split()[2].startswith(f"{node.address}/")
    assert (
        said("ls /etc/apt/sources.list /etc/apt/sources.list.d/* /usr/sbin/policy-rc.d 2>/dev/null || echo none")
        == "none"
    )
    # Its kernel: the newest, alone, with headers; nouveau is loaded early, as with a card.
    assert said("ls /lib/modules") == said("uname -r")
    assert (
        said("test -e /lib/modules/$(uname -r)/build/Makefile && ls --directory /sys/module/nouveau")
        == "/sys/module/nouveau"
    )
    # What it writes for its next boot has the settings of both, and its own disk.
    menu = said("sudo update-grub 2>/dev/null && sudo grep --max-count 1 'linux.*root=' /boot/grub/grub.cfg")
    assert "root=UUID=" in menu
    assert all(word in menu for word in ("console=ttyS0,115200", "net.ifnames=0", said("uname -r")))
