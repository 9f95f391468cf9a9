# SPDX-License-Identifier: GPL-3.0-or-later
"""Which initial RAM disks are rebuilt, and whether there is room for them."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import initramfs
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.initramfs import Image
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

UPDATE_INITRAMFS, DRACUT = initramfs.TOOLS
MIB = 1 << 20


@pytest.mark.parametrize(
    ("written", "stale"),
    [(1, True), (2, False), (3, False), (4, False), (5, True)],
    ids=["older", "as old as the settings", "newer", "of this moment", "of the future"],
)
def test_images_older_than_the_settings_are_stale(written: int, stale: bool) -> None:
    image = Image("a", "/boot/a", written, 5)
    assert initramfs.stale([image], settings_written=2, now=4) == ([image] if stale else [])


@pytest.mark.parametrize(
    ("sizes", "free", "refused"),
    [
        ([30 * MIB, 50 * MIB], 58 * MIB - 1, True),
        ([30 * MIB, 50 * MIB], 58 * MIB, False),
        ([], 0, False),
    ],
)
def test_boot_has_to_have_room_for_the_largest_image(
    sizes: list[int], free: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    words = "needs 58 MiB in /boot, and 57 MiB are free.*nothing was changed"
    with pytest.raises(EvenkeelError, match=words) if refused else nullcontext():
        initramfs.require_room([Image("a", "/boot/a", 1, size) for size in sizes])


@pytest.mark.parametrize(
    ("tool", "name"), [(UPDATE_INITRAMFS, "initrd.img-6.1"), (DRACUT, "initramfs-6.1.img")], ids=["Debian", "dracut"]
)
def test_images_of_kernels(tool: initramfs.Tool, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(7))
    os.utime(path, ns=(5, 5))
    assert initramfs.images(tool, ["6.1", "6.2"], str(tmp_path)) == [Image("6.1", str(path), 5, 7)]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("usr/lib/modules/6.1/kernel/nouveau.ko\n", True),
        ("usr/lib/modules/6.1/kernel/nouveau.ko\netc/modprobe.d/ours.conf\n", False),
        ("usr/lib/modules/6.1/kernel/ext4.ko\n", False),
    ],
    ids=["nouveau alone", "nouveau, kept off", "no nouveau"],
)
def test_images_that_would_load_nouveau(listed: str, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[str]) -> Done:
        assert argv == ["lsinitramfs", "/boot/a"]
        return Done(0, listed, "")

    monkeypatch.setattr(initramfs.command, "run", run)
    image = Image("a", "/boot/a", 1, 5)
    assert initramfs.with_nouveau(UPDATE_INITRAMFS, [image], "/etc/modprobe.d/ours.conf") == ([image] if found else [])


@pytest.mark.parametrize("tool", [UPDATE_INITRAMFS, DRACUT], ids=["Debian", "dracut"])
def test_the_tool_of_a_node(tool: initramfs.Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initramfs.shutil, "which", lambda program: program if program == tool.program else None)
    assert initramfs.tool() == tool
    monkeypatch.setattr(initramfs.shutil, "which", lambda program: None)
    assert initramfs.tool() is None


@pytest.mark.parametrize(
    ("tool", "argv"),
    [(UPDATE_INITRAMFS, ["update-initramfs", "-u", "-k", "6.1"]), (DRACUT, ["dracut", "--force", "--kver", "6.1"])],
    ids=["Debian", "dracut"],
)
def test_images_are_rebuilt_by_the_release_of_their_kernel(
    tool: initramfs.Tool, argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[tuple[list[str], str]] = []
    monkeypatch.setattr(initramfs.command, "require", lambda argv, remedy: run.append((argv, remedy)))
    initramfs.rebuild(tool, [Image("6.1", "/boot/a", 1, 5)])
    assert [argv for argv, _ in run] == [argv]
    assert "run again before you reboot" in run[0][1]
