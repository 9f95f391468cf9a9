# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of the virtual machines: a bare Debian with its kernel and a compiler, and a boot loader that asks that Debian.

One of them passes for an Ubuntu, as nodes in containers do. Its kernels are Debian's, brought by packages with names of
Ubuntu's.

The boot disk holds nothing but GRUB, which reads its menu from the other one: so what a machine boots is decided by the
machine's own ``update-grub``. Under UEFI the boot disk is Debian's signed shim, its MOK manager and its signed GRUB.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, locks, paths, process
from lab.images import image
from lab.nodes import ssh

if TYPE_CHECKING:
    from rich.progress import Progress

#: Releases of machines, each with that of the containers it is like; the firmware of SECURE_BOOT insists on signatures.
RELEASES = {"debian12vm": "debian12", "debian12uefi": "debian12", "ubuntu2404vm": "ubuntu2404"}
SECURE_BOOT = ("debian12uefi",)
PACKAGES = (
    *image.PACKAGES,
    *("dkms", "gcc", "grub2-common", "initramfs-tools", "kmod", "libnss-myhostname", "linux-headers-amd64"),
    *("linux-image-amd64", "make", "udev", "zstd"),
)
MACHINE, UBUNTU_MACHINE = (Path(__file__).with_name(f"customize_{kind}.sh") for kind in ("machine", "ubuntu_machine"))

#: Where the image's script leaves the firmware in the tree.
_FIRMWARE = "usr/local/share/evenkeel-lab-firmware"
_LABEL = "evenkeel"
_DISK = "8G"
_GRUB = Path("/usr/lib/grub/i386-pc")
_GRUB_MODULES = ("biosdisk", "configfile", "ext2", "linux", "normal", "search", "search_label")
_REMEDY = "apt-get install --yes --no-install-recommends $(python -m lab packages)"


@dataclass(frozen=True)
class Firmware:
    """UEFI with Secure Boot: its code, its variables with Microsoft's keys, and its system partition as a folder."""

    code: Path
    variables: Path
    partition: Path


@dataclass(frozen=True)
class Disks:
    """What a machine starts from: GRUB, Debian, the latter's kernel on its own, and firmware where it isn't a BIOS."""

    boot: Path
    root: Path
    kernel: Path
    firmware: Firmware | None = None


def build(release: str, progress: Progress) -> Disks:
    """Make the disks of ``release`` where they are missing.

    Raises
    ------
    LabError
        mmdebstrap failed, or a tool is missing.
    """
    public_key = ssh.public_key()
    node = RELEASES[release]
    key = cache.key(node, PACKAGES, *reversed(scripts(node)), public_key, _grub_menu(), _DISK)
    final = paths.MACHINES / node
    with locks.held(f"disk-{node}", progress=progress):
        if cache.published(final) != key:
            task = progress.add_task(f"{node} disk", total=None)
            stage = cache.staging(final)

            def say(what: str) -> None:
                progress.update(task, description=f"{node} disk: {what}")

            tree = stage / "tree"
            image.bootstrap(image.suite(node), tree, PACKAGES, scripts(node), public_key, say, release=node)
            say("writing")
            disks, firmware = _disks(stage), _firmware(stage)
            shutil.copyfile(next((tree / "boot").glob("vmlinuz-*")), disks.kernel)
            (tree / _FIRMWARE).rename(firmware.code.parent)
            _write_root(tree, disks.root)
            _write_boot(disks.boot, stage)
            _write_partition(firmware.partition)
            shutil.rmtree(tree)
            cache.publish(stage, final, key)
            progress.update(task, description=f"{node} disk", total=1, completed=1)
    folder = final.resolve()
    return replace(_disks(folder), firmware=_firmware(folder)) if release in SECURE_BOOT else _disks(folder)


def scripts(node: str) -> tuple[Path, ...]:
    """Return the scripts that make a fresh Debian a machine that is like a container of the release ``node``."""
    ubuntu = (UBUNTU_MACHINE, image.UBUNTU_SCRIPT) if node in image.UBUNTU else ()
    return (MACHINE, *ubuntu, image.NODE)  # the last one leaves no source of packages


def _disks(folder: Path) -> Disks:
    return Disks(folder / "boot.img", folder / "root.img", folder / "vmlinuz")


def _firmware(folder: Path) -> Firmware:
    top = folder / "firmware"
    return Firmware(top / "code.fd", top / "variables.fd", top / "partition")


def _write_root(tree: Path, disk: Path) -> None:
    # GRUB of Debian 12 can't read what newer mke2fs turn on of their own accord.
    features = "^metadata_csum_seed,^orphan_file"
    argv: list[str | Path] = ["mke2fs", "-q", "-t", "ext4", "-L", _LABEL, "-O", features, "-d", tree, disk, _DISK]
    process.run(argv, remedy=_REMEDY)


def _write_boot(disk: Path, scratch: Path) -> None:
    """Write GRUB's first sector and, behind it, its core, where that sector looks for it."""
    menu, core = scratch / "grub.cfg", scratch / "core.img"
    menu.write_text(_grub_menu())
    argv = ["grub-mkimage", "--format=i386-pc", f"--output={core}", f"--config={menu}", "--prefix=/boot/grub"]
    process.run([*argv, *_GRUB_MODULES], remedy=_REMEDY)
    data = (_GRUB / "boot.img").read_bytes() + core.read_bytes()
    disk.write_bytes(data.ljust(1 << 20, b"\0"))
    menu.unlink()
    core.unlink()


def _write_partition(folder: Path) -> None:
    """Have the signed GRUB, which looks for its menu beside its vendor's files, go by the machine's own."""
    menu = folder / "EFI" / "debian" / "grub.cfg"
    menu.parent.mkdir()
    menu.write_text(_grub_menu())


def _grub_menu() -> str:
    """Return what GRUB does first: find Debian's disk, and go by the menu there."""
    return (
        f"search --no-floppy --label {_LABEL} --set=root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
    )
