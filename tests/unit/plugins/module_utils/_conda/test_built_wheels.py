# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import IO

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import built_wheels
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import (
    is_built,
    lacking,
    place,
    receive,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

CONTENT = b"a wheel"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "tool-1.0-py3-none-any.whl"
TOOL = Package("tool", "1.0", "", SHA256, PIP, url=FILE)
OTHERS = (
    Package("six", "1.17.0", "0", "ab" * 32, CONDA, url="https://mirror.example/main/noarch/six-1.17.0-0.conda"),
    Package("lib", "1.0", "", "ab" * 32, PIP, url="https://wheels.example/lib-1.0-py3-none-any.whl"),
    Package("seen", "1.0", "", "ab" * 32, PIP),
    Package("kept", "1.0", "", "", PIP, url=f"git+https://git.example/kept@{'ab' * 20}"),
)


@pytest.fixture
def pkgs(tmp_path: Path) -> str:
    return str(tmp_path / "pkgs")


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    (tmp_path / "brought").mkdir()
    (tmp_path / "brought" / FILE).write_bytes(CONTENT)
    return tmp_path / "brought"


def test_only_what_is_named_by_a_path_was_built_on_the_control_node() -> None:
    assert is_built(TOOL)
    assert [package.name for package in OTHERS if is_built(package)] == []


def test_a_wheel_is_lacking_until_it_was_received(pkgs: str, brought: Path) -> None:
    packages = (*OTHERS, TOOL)
    assert lacking(pkgs, packages) == (TOOL,)
    receive(pkgs, packages, str(brought))
    assert lacking(pkgs, packages) == ()
    assert Path(place(pkgs, TOOL)).read_bytes() == CONTENT
    assert stat.S_IMODE(Path(pkgs, "wheels").stat().st_mode) == 0o700
    assert [path.name for path in Path(place(pkgs, TOOL)).parent.iterdir()] == [FILE]


def test_what_the_node_has_needs_not_be_brought(pkgs: str, brought: Path, tmp_path: Path) -> None:
    receive(pkgs, [TOOL], str(brought))
    receive(pkgs, [TOOL], str(tmp_path / "nothing"))


def test_a_damaged_wheel_is_lacking_and_replaced(pkgs: str, brought: Path) -> None:
    receive(pkgs, [TOOL], str(brought))
    Path(place(pkgs, TOOL)).write_bytes(b"damaged")
    assert lacking(pkgs, [TOOL]) == (TOOL,)
    receive(pkgs, [TOOL], str(brought))
    assert lacking(pkgs, [TOOL]) == ()


def test_a_wheel_that_is_not_the_locks_is_refused(pkgs: str, brought: Path) -> None:
    (brought / FILE).write_bytes(b"another")
    with pytest.raises(EvenkeelError, match=rf"^The wheel {FILE} arrived with the SHA-256 .*, not {SHA256}\."):
        receive(pkgs, [TOOL], str(brought))
    assert lacking(pkgs, [TOOL]) == (TOOL,)


def test_a_wheel_that_did_not_come_is_an_error(pkgs: str, tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=rf"^The wheel {FILE} can't be kept: .*/{FILE}: No such file"):
        receive(pkgs, [TOOL], str(tmp_path))


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "Free some space on the file system of "),
        (errno.EDQUOT, "Free some space on the file system of "),
        (errno.EROFS, "is read-only"),
        (errno.EIO, "does not work"),
    ],
)
def test_a_disk_that_takes_no_wheel_is_an_error_with_a_way_out_and_keeps_nothing(
    pkgs: str, brought: Path, monkeypatch: pytest.MonkeyPatch, number: int, way_out: str
) -> None:
    def full(source: IO[bytes], target: IO[bytes]) -> None:
        target.write(source.read(3))
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(built_wheels.shutil, "copyfileobj", full)
        with pytest.raises(EvenkeelError, match=rf"^The wheel {FILE} can't be kept: .*{way_out}"):
            receive(pkgs, [TOOL], str(brought))
    assert list(Path(place(pkgs, TOOL)).parent.iterdir()) == []
    receive(pkgs, [TOOL], str(brought))
    assert lacking(pkgs, [TOOL]) == ()


def test_what_a_killed_run_left_goes(pkgs: str, brought: Path) -> None:
    left = Path(place(pkgs, TOOL)).with_name(".partial-ab")
    left.parent.mkdir(parents=True)
    left.write_bytes(CONTENT[:3])
    receive(pkgs, [TOOL], str(brought))
    assert [path.name for path in left.parent.iterdir()] == [FILE]
