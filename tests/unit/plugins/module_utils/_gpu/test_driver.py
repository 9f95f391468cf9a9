# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver needs beside its packages, and when the node has to be rebooted."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import driver, initramfs, secure_boot
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels as kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.initramfs import Image
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import manager_lock as package_lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted

DESIRED = Desired("open", gpu=True, version="580.178.04", family=("nvidia-driver*", "libcuda1"), dkms="nvidia-dkms")
HEADLESS = Kernel("6.1.0-49-amd64", headers=False)
READY = Kernel("6.1.0-50-amd64", headers=True, module="580.178.04", flavour="open")


@pytest.mark.parametrize(
    ("loaded", "on_disk", "nouveau", "count"),
    [
        ("580.178.04", "580.178.04", False, 0),
        ("580.159.03", "580.178.04", False, 1),
        ("", "580.178.04", False, 0),
        ("", "580.178.04", True, 1),
        ("580.159.03", "", False, 0),
    ],
)
def test_reasons_to_reboot(loaded: str, on_disk: str, nouveau: bool, count: int) -> None:
    assert len(driver.reasons_to_reboot(loaded, on_disk, nouveau=nouveau)) == count


@pytest.mark.parametrize(
    ("desired", "apt", "expected"),
    [
        (DESIRED, True, ["dkms", "linux-headers-6.1.0-49-amd64", "linux-headers-amd64"]),
        (
            DESIRED,
            False,
            ["python3-dnf-plugin-versionlock", "dkms", "kernel-devel-6.1.0-49-amd64", "linux-headers-amd64"],
        ),
        (dataclasses.replace(DESIRED, dkms=""), True, []),
        (
            dataclasses.replace(DESIRED, secure_boot=True),
            True,
            ["dkms", "linux-headers-6.1.0-49-amd64", "linux-headers-amd64", "mokutil", "openssl"],
        ),
        (dataclasses.replace(DESIRED, dkms="", hold=False, hold_kernel=False), False, []),
    ],
    ids=["apt", "dnf", "modules come built", "Secure Boot", "nothing is held"],
)
def test_what_comes_first(desired: Desired, apt: bool, expected: list[str]) -> None:
    installed = ["linux-image-amd64", "linux-image-6.1.0-49-amd64", "bash"]
    found = driver.prerequisites(desired, [HEADLESS, READY], installed, apt=apt)
    assert found == tuple(map(Wanted, expected))


def test_the_version_is_pinned_for_the_whole_family_and_updates_are_kept_off() -> None:
    files = driver.package_files(DESIRED, apt=True)
    assert files[driver.PREFERENCES] == (
        f"{kept_files.MARK}\nPackage: nvidia-driver* libcuda1\nPin: version 580.178.04-*\nPin-Priority: 1001\n"
    )
    unattended = str(files[driver.UNATTENDED])
    for line in ('"^nvidia\\-driver.*";', '"^libcuda1";', '"^linux-image-";'):
        assert line in unattended


@pytest.mark.parametrize(
    ("change", "absent"),
    [({"version": ""}, driver.PREFERENCES), ({"keep_off": False}, driver.UNATTENDED)],
)
def test_files_that_are_not_to_be(change: dict[str, object], absent: str) -> None:
    assert driver.package_files(dataclasses.replace(DESIRED, **change), apt=True)[absent] is None


def test_dnf_needs_no_files() -> None:
    assert driver.package_files(DESIRED, apt=False) == {}


def test_nouveau_is_kept_off_and_out_of_dracuts_images() -> None:
    assert list(driver.setting_files(DESIRED, has_dracut=False)) == [driver.MODPROBE]
    files = driver.setting_files(DESIRED, has_dracut=True)
    assert "blacklist nouveau\n" in str(files[driver.MODPROBE])
    assert "nouveau" in str(files[driver.DRACUT])


@pytest.mark.parametrize(
    ("desired", "found", "words"),
    [
        (DESIRED, [READY], []),
        (DESIRED, [], ["no kernel of its own"]),
        (dataclasses.replace(DESIRED, container=True), [READY], ["is a container"]),
        (dataclasses.replace(DESIRED, gpu=False), [READY], ["has no GPU"]),
    ],
)
def test_what_is_left_is_told(desired: Desired, found: list[Kernel], words: list[str]) -> None:
    left = driver.what_is_left(desired, found)
    assert len(left) == len(words)
    assert all(word in text for word, text in zip(words, left, strict=True))


def test_holds_follow_the_wishes() -> None:
    held = driver.request(DESIRED)
    assert "libcuda1" in held.hold
    assert "linux-image-[!0-9]*" in held.hold
    free = driver.request(dataclasses.replace(DESIRED, hold=False, hold_kernel=False))
    assert (free.hold, free.release) == ((), held.hold)


@pytest.mark.parametrize(("licence", "expected"), [("Dual MIT/GPL", "open"), ("NVIDIA", "proprietary"), ("", "")])
def test_flavour_by_licence(licence: str, expected: str) -> None:
    assert kernels.flavour_of(licence) == expected


def test_kernels_that_may_boot_are_found(tmp_path: Path) -> None:
    for place in ("lib/modules/6.1.0-49/build/include", "lib/modules/6.1.0-50", "lib/modules/gone", "boot"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "boot/vmlinuz-6.1.0-49").touch()
    (tmp_path / "lib/modules/6.1.0-50/vmlinuz").touch()
    assert kernels.read(str(tmp_path)) == [Kernel("6.1.0-49", headers=True), Kernel("6.1.0-50", headers=False)]


def test_kernels_without_the_module() -> None:
    assert kernels.without_module([HEADLESS, READY], "580.178.04") == [HEADLESS]
    assert kernels.without_module([HEADLESS, READY], "") == [HEADLESS]
    assert kernels.without_module([READY], "610.57.04") == [READY]


def test_kernels_whose_module_nobody_has_signed() -> None:
    signed = dataclasses.replace(READY, signed=True)
    assert kernels.unsigned([HEADLESS, READY, signed], "580.178.04") == [READY]
    assert kernels.unsigned([READY, signed], "") == [READY]
    assert kernels.unsigned([READY], "610.57.04") == []


def test_images_older_than_the_settings_are_stale() -> None:
    old, new, to_come = Image("a", "/boot/a", 1, 5), Image("b", "/boot/b", 3, 5), Image("c", "/boot/c", 9, 5)
    assert initramfs.stale([old, new, to_come], 2, now=4) == [old, to_come]


def test_a_full_boot_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"needs \d+ MiB in .*free.*nothing was changed"):
        initramfs.require_room([Image("a", "/boot/a", 1, 1 << 60)], str(tmp_path))
    initramfs.require_room([], str(tmp_path))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("/k is not enrolled\n", "run `mokutil --import /k` on the node and choose a password, reboot, and"),
        ("", "run `mokutil --import /k`"),
        ("/k is already in the enrollment request\n", "The key waits to be enrolled: reboot, and at the console"),
    ],
)
def test_the_way_to_enrol_a_key(said: str, expected: str) -> None:
    assert expected in secure_boot.way_to_enrol(secure_boot.Key("/k", "/p"), said)


@pytest.mark.parametrize(
    ("said", "refused"),
    [("/k is already enrolled\n", False), ("/k is not enrolled\n", True), ("", True)],
)
def test_only_a_key_that_is_enrolled_will_do(
    said: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = secure_boot.Key(str(tmp_path / "mok.pub"), str(tmp_path / "mok.key"))
    Path(key.certificate).touch()
    monkeypatch.setattr(secure_boot.command, "run", lambda argv: Done(0, said, ""))
    with pytest.raises(EvenkeelError, match="does not know the key") if refused else nullcontext():
        secure_boot.require_enrolled(key, make=True)


@pytest.mark.parametrize(("signs", "refused"), [(True, False), (False, True)])
def test_an_unsigned_module_is_built_again_where_signatures_count(
    signs: bool, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, built = [READY], []

    def build(name: str, version: str, kernel: str, *, again: bool = False) -> None:
        built.append((name, version, kernel, again))
        found[:] = [dataclasses.replace(READY, signed=signs)]

    monkeypatch.setattr(driver.kernels, "read", lambda: list(found))
    monkeypatch.setattr(driver.dkms, "registered", lambda: [("nvidia", READY.module)])
    monkeypatch.setattr(driver.dkms, "build", build)
    work = driver._Work(check_mode=False)
    driver._converge_modules(DESIRED, list(found), work)
    assert built == []
    desired = dataclasses.replace(DESIRED, version=READY.module, secure_boot=True)
    with pytest.raises(EvenkeelError, match=f"{READY.release} is not signed") if refused else nullcontext():
        driver._converge_modules(desired, list(found), work)
    assert built == [("nvidia", READY.module, READY.release, True)]


def test_an_unknown_key_is_told_with_the_way_to_enrol_it(tmp_path: Path) -> None:
    key = secure_boot.Key(str(tmp_path / "mok.pub"), str(tmp_path / "mok.key"))
    with pytest.raises(EvenkeelError, match=rf"Secure Boot is on.*left alone.*mokutil --import {key.certificate}"):
        secure_boot.require_enrolled(key, make=False)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_was_cut_short_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = secure_boot.Key(str(tmp_path / "mok.pub"), str(tmp_path / "mok.key"))
    room = [False, True]

    def openssl(argv: list[str], mend: str) -> None:
        whole = room.pop(0)
        for option in ("-keyout", "-out"):
            Path(argv[argv.index(option) + 1]).write_text(f"{option} whole" if whole else "")
        if not whole:
            raise EvenkeelError("No space left on device", mend)

    monkeypatch.setattr(secure_boot.command, "require", openssl)
    monkeypatch.setattr(secure_boot.command, "run", lambda argv: Done(0, f"{argv[-1]} is already enrolled", ""))
    with pytest.raises(EvenkeelError, match="No space left"):
        secure_boot.require_enrolled(key, make=True)
    secure_boot.require_enrolled(key, make=True)
    made = {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert made["mok.pub"] == ("-out whole", 0o644)
    assert made["mok.key"][0] == "-keyout whole"
    assert len(made) == 2


def test_a_lock_that_nobody_holds_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    package_lock.wait([str(tmp_path / "lock"), str(tmp_path / "none")], timeout=0)
