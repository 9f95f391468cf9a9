# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.foreign_files import (
    JSON_BYTES,
    is_regular,
    is_wheel_name,
    json_object,
)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 3 << 30)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda path: path.mkdir(), "not a regular file|Is a directory"),
        (lambda path: path.symlink_to("/etc/hostname"), "symbolic links"),
        (sparse, f"more than {JSON_BYTES} bytes"),
        (lambda path: path.write_text("[" * 100_000), "nested too deeply"),
        (lambda path: path.write_text("[]"), "not a JSON object"),
        (lambda path: path.write_text("{"), "Expecting"),
        (lambda path: path.write_bytes(b"\xff\xfe\xfd"), "decode"),
    ],
    ids=["fifo", "directory", "link", "sparse", "deep", "list", "cut", "bytes"],
)
def test_what_is_no_small_json_object_is_refused(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / "file")
    with pytest.raises((OSError, ValueError), match=message):
        json_object(tmp_path / "file")


def test_an_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": 1}')
    assert json_object(tmp_path / "file") == {"a": 1}


@pytest.mark.parametrize("name", ["", ".whl", "../a-1-py3-none-any.whl", "/a.whl", "a.zip", "a\n.whl", "a.whl\n", 1])
def test_only_plain_names_of_wheels(name: object) -> None:
    assert not is_wheel_name(name)
    assert is_wheel_name("tool-1!1.0+local.1-py3-none-any.whl")
    assert not is_wheel_name("a" * 252 + ".whl")


def test_only_regular_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert [is_regular(tmp_path / name) for name in ("file", "link", "pipe", "gone")] == [True, False, False, False]
