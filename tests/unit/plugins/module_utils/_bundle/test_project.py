# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive stays in its folder."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import project
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, target, mode
    return found


def archive(place: Path, *members: tarfile.TarInfo) -> str:
    path = place / "project.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for one in members:
            tar.addfile(one, io.BytesIO())
    return str(path)


def test_files_folders_and_links_within_are_taken(tmp_path: Path) -> None:
    packed = archive(
        tmp_path,
        member("plugins", tarfile.DIRTYPE),
        member("plugins/a.py", mode=0o4777),
        member("collections/gpu/plugins", tarfile.SYMTYPE, "../../plugins"),
        member("b.txt", mode=0o600),
    )
    target = tmp_path / "target"
    target.mkdir()
    project.unpack(packed, str(target))
    assert (target / "collections/gpu/plugins/a.py").stat().st_mode & 0o7777 == 0o755
    assert (target / "b.txt").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "members",
    [
        [member("../outside")],
        [member("/outside")],
        [member("a/../../outside")],
        [member("a//b")],
        [member("link", tarfile.SYMTYPE, "/etc")],
        [member("a/link", tarfile.SYMTYPE, "../../outside")],
        [member("one", tarfile.SYMTYPE, "."), member("one/two")],
        [member("pipe", tarfile.FIFOTYPE)],
        [member("device", tarfile.CHRTYPE)],
        [member("a"), member("b", tarfile.LNKTYPE, "a")],
        [member("a"), member("a", tarfile.SYMTYPE, "b")],
    ],
)
def test_what_would_leave_is_refused_before_anything_is_written(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(EvenkeelError, match="would leave its folder or is no file"):
        project.unpack(archive(tmp_path, member("first"), *members), str(target))
    assert list(target.iterdir()) == []


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    packed = archive(tmp_path, member("first"))
    os.truncate(packed, 40)
    with pytest.raises(EvenkeelError, match="can't be unpacked"):
        project.unpack(packed, str(tmp_path))
