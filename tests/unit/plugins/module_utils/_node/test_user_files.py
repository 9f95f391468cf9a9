# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may put where a file is expected."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.user_files import Refused

UID = os.geteuid()
MOST = 64 << 10


def make_sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(40 << 30)


def make_socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.symlink_to("nowhere")])
def test_there_is_none(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "file")
    assert user_files.read(str(tmp_path / "file"), UID, MOST) is None
    assert user_files.read(str(tmp_path / "file" / "below"), UID, MOST) is None


@pytest.mark.parametrize("data", [b"", b"x" * MOST, b"caf\xe9\n"])
def test_a_file_is_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "real").write_bytes(data)
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    content = user_files.read(str(tmp_path / "link"), UID, MOST)
    assert content is not None
    assert (content.data, content.mode) == (data, 0o640)
    assert content.text.encode("utf-8", "surrogateescape") == data


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(os.mkdir, "is a directory, not a regular file", id="directory"),
        pytest.param(os.mkfifo, "is a pipe, not a regular file", id="pipe"),
        pytest.param(make_socket, "is a socket, not a regular file", id="socket"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file", id="device"),
        pytest.param(lambda path: path.symlink_to(path), "Too many levels of symbolic links", id="loop"),
        pytest.param(lambda path: path.write_bytes(b"x" * (MOST + 1)), "is larger than 64 KiB", id="large"),
        pytest.param(make_sparse, "is larger than 64 KiB", id="sparse"),
        pytest.param(lambda path: path.symlink_to("/proc/self/maps"), "", id="grows while it is read"),
    ],
)
def test_what_is_refused(tmp_path: Path, make: Callable[[Path], Any], reason: str) -> None:
    make(tmp_path / "file")
    most = MOST if reason else 100
    with pytest.raises(Refused) as caught:
        user_files.read(str(tmp_path / "file"), UID, most)
    assert caught.value.path == str(tmp_path / "file")
    assert caught.value.reason == (reason or "is larger than 0 KiB")


def test_the_file_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    if UID == 0:
        os.chown(tmp_path / "file", 4711, 4711)
        with pytest.raises(Refused, match="belongs to user 4711"):
            user_files.read(str(tmp_path / "file"), UID, MOST)
    else:
        with pytest.raises(Refused, match="belongs to"):
            user_files.read(str(tmp_path / "file"), UID + 1, MOST)


def test_names_are_counted(tmp_path: Path) -> None:
    for name in (b"b", b"caf\xe9", b"a"):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).touch()
    assert user_files.names(str(tmp_path), 3) == ["a", "b", "caf\udce9"]
    assert user_files.names(str(tmp_path / "none")) == []
    assert user_files.names(str(tmp_path / "a")) == []
    with pytest.raises(Refused, match="holds more than 2 files"):
        user_files.names(str(tmp_path), 2)
