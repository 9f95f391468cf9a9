# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of the virtual machines: a bare Debian with its kernel and a compiler, and a boot loader that asks that Debian.

One of them passes for an Ubuntu, as nodes in containers do. Its kernels are Debian's, brought by packages with names of
Ubuntu's. Where EVENKEEL_OFFICIAL names a release, its disk is made of the distribution's cloud image instead.

The boot disk holds nothing but GRUB, which reads its menu from the other one: so what a machine boots is decided by the
machine's own ``update-grub``. Under UEFI the boot disk is Debian's signed shim, its MOK manager and its signed GRUB.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, locks, paths, process
from lab.images import cloud_image, cloud_tree, image, official
from lab.nodes import ssh

if TYPE_CHECKING:
    from rich.progress import Progress

#: Releases of machines, each with that of the containers it is like; the firmware of SECURE_BOOT insists on signatures.
RELEASES = {"debian12vm": "debian12", "debian12uefi": "debian12", "ubuntu2404vm": "ubuntu2404"}
SECURE_BOOT = ("debian12uefi",)
_TOOLS = ("dkms", "gcc", "initramfs-tools", "kmod", "libnss-myhostname", "make", "udev", "zstd")
PACKAGES = (*image.PACKAGES, *_TOOLS, "grub2-common", "linux-headers-amd64", "linux-image-amd64")
#: What machines install in the course of scenarios.
AT_HAND = ("linux-image-cloud-amd64", "linux-headers-cloud-amd64", "mokutil", "openssl")
LEAN, CLOUD, MACHINE, FIRMWARE, UBUNTU_MACHINE = (
    Path(__file__).with_name(f"customize_{kind}.sh")
    for kind in ("lean", "cloud", "machine", "firmware", "ubuntu_machine")
)

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
        mmdebstrap failed, a tool is missing, or there is no such cloud image.
    """
    node, source = RELEASES[release], official.chosen().get(release)
    public_key = ssh.public_key()
    with locks.held(f"disk-{node}", progress=progress):
        task = progress.add_task(f"{node} disk", total=None)

        def say(what: str) -> None:
            progress.update(task, description=f"{node} disk: {what}")

        cloud = cloud_image.here(release, source, say) if source else None
        final = paths.MACHINES / (f"{node}-official" if cloud else node)
        key = _key(node, cloud, public_key)
        if cache.published(final) != key:
            stage = cache.staging(final)
            tree = stage / "tree"
            if cloud:
                cloud_tree.make(cloud, tree, scripts(node, of_cloud_image=True), _settings(release, public_key), say)
            else:
                settings = {"EVENKEEL_RELEASE": node, "EVENKEEL_AT_HAND": " ".join(AT_HAND)}
                image.bootstrap(image.suite(node), tree, PACKAGES, scripts(node), public_key, say, settings)
            say("writing")
            disks, firmware = _disks(stage), _firmware(stage)
            shutil.copyfile(next((tree / "boot").glob("vmlinuz-*")), disks.kernel)
            if (tree / _FIRMWARE).exists():
                (tree / _FIRMWARE).rename(firmware.code.parent)
                _write_partition(firmware.partition)
            _write_root(tree, disks.root)
            _write_boot(disks.boot, stage)
            shutil.rmtree(tree)
            cache.publish(stage, final, key)
        progress.update(task, description=f"{node} disk", total=1, completed=1)
    folder = final.resolve()
    return replace(_disks(folder), firmware=_firmware(folder)) if release in SECURE_BOOT else _disks(folder)


def scripts(node: str, *, of_cloud_image: bool = False) -> tuple[Path, ...]:
    """Return the scripts that make a fresh Debian, or a cloud image, a machine that is like a container of ``node``."""
    plays_ubuntu = node in image.UBUNTU and not of_cloud_image
    return (
        CLOUD if of_cloud_image else LEAN,
        MACHINE,
        *((FIRMWARE,) if node in {RELEASES[release] for release in SECURE_BOOT} else ()),
        *((UBUNTU_MACHINE, image.UBUNTU_SCRIPT) if plays_ubuntu else ()),
        image.NODE,  # which leaves no source of packages
    )


def _key(node: str, cloud: Path | None, public_key: str) -> str:
    made_of: tuple[object, ...] = (PACKAGES, AT_HAND)
    if cloud:
        stat = cloud.stat()
        recipe = [path.read_text() for path in (*cloud_tree.SCRIPTS, cloud_image.DATA)]
        made_of = (cloud, stat.st_size, stat.st_mtime_ns, *recipe)
    texts = [script.read_text() for script in scripts(node, of_cloud_image=bool(cloud))]
    return cache.key(node, made_of, texts, public_key, _grub_menu(), _DISK)


def _settings(release: str, public_key: str) -> dict[str, str]:
    """Return what the scripts of a cloud image read."""
    published = cloud_image.of(release)
    return {
        "EVENKEEL_PUBLIC_KEY": public_key,
        "EVENKEEL_PACKAGES": " ".join((*image.PACKAGES, *_TOOLS)),
        "EVENKEEL_KERNEL": " ".join(published.kernel),
        "EVENKEEL_REMOVED": " ".join(published.removed),
        "EVENKEEL_AT_HAND": " ".join(published.at_hand),
    }


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
