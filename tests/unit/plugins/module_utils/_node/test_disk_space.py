# SPDX-License-Identifier: GPL-3.0-or-later
"""What can't be written to, or has no room, is refused with the numbers."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import disk_space
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MIB = 1 << 20
MOUNTS = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 8:1 /usr/lib/modules /usr/lib/modules ro - ext4 /dev/sda1 rw\n"


@pytest.mark.parametrize(("flags", "refused"), [(0, False), (os.ST_RDONLY, True), (os.ST_NOSUID, False)])
def test_a_folder_on_a_read_only_mount_is_refused(
    flags: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(disk_space, "mount_point", lambda path: "/usr/lib/modules")
    monkeypatch.setattr(disk_space.os, "statvfs", lambda path: asked.append(path) or SimpleNamespace(f_flag=flags))
    words = "coming cannot be written to: /usr/lib/modules is mounted read-only.*Nothing was changed.*remount,rw"
    with pytest.raises(EvenkeelError, match=words) if refused else nullcontext():
        disk_space.require_writable([str(tmp_path / "coming")])
    assert asked == [str(tmp_path)]


@pytest.mark.parametrize(
    ("path", "point"),
    [("/usr/lib/modules/6.8", "/usr/lib/modules"), ("/usr/lib/modules", "/usr/lib/modules"), ("/usr/lib/mod", "/")],
)
def test_the_mount_that_has_a_path(path: str, point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(disk_space, "_MOUNTS", str(tmp_path / "mountinfo"))
    assert disk_space.mount_point(path) == point


@pytest.mark.parametrize(("free", "refused"), [(5 * MIB, False), (5 * MIB - 1, True)])
def test_folders_of_one_file_system_need_room_together(
    free: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    one, other = str(tmp_path / "one"), str(tmp_path / "other" / "deeper")
    words = f"The driver needs 5 MiB in {one} and {other}, and 4 MiB are free: Make room"
    with pytest.raises(EvenkeelError) if refused else nullcontext() as caught:
        disk_space.require_free({one: 2 * MIB, other: 3 * MIB}, "The driver", "Make room")
    assert not refused or words.partition(":")[0] in str(caught.value)


def test_folders_of_different_file_systems_have_their_own_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space.os, "stat", lambda path: SimpleNamespace(st_dev=path))
    monkeypatch.setattr(disk_space, "_existing", lambda folder: folder)
    room = {"/usr": 3 * MIB, "/boot": MIB}
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda path: SimpleNamespace(free=room[path]))
    disk_space.require_free({"/usr": 3 * MIB, "/boot": MIB}, "It", "")
    with pytest.raises(EvenkeelError, match="It needs 2 MiB in /boot, and 1 MiB are free"):
        disk_space.require_free({"/usr": 3 * MIB, "/boot": 2 * MIB}, "It", "")


def test_the_size_of_what_is_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "one").write_bytes(bytes(3))
    (tmp_path / "deep" / "er" / "two").write_bytes(bytes(4))
    (tmp_path / "dangling").symlink_to("nowhere")
    assert disk_space.size(str(tmp_path)) == 7 + len("nowhere")
