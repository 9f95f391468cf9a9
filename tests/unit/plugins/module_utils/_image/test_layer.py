# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers depend on their files alone."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._image.layer import Contents, Text, write
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MADE = 1_700_000_000


def tree(root: Path, names: list[str]) -> None:
    """Make the same files in another order, at another time."""
    (root / "opt" / "env" / "lib").mkdir(parents=True)
    for name in names:
        (root / "opt" / "env" / "lib" / name).write_text(name)
    os.link(root / "opt/env/lib/a.py", root / "opt/env/lib/z.py")
    (root / "opt/env/link").symlink_to("lib/a.py")
    (root / "opt/env/lib/a.py").chmod(0o640)
    os.utime(root / "opt/env/lib/b.py", (1, 1_600_000_000))


def layer(root: Path, **contents: object) -> tuple[bytes, str]:
    stream = io.BytesIO()
    sha256 = write(stream, Contents(**{"trees": ("/opt/env",), **contents}), MADE, str(root))  # type: ignore[arg-type]
    return stream.getvalue(), sha256


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree(tmp_path / "one", ["a.py", "b.py", "c.py"])
    return tmp_path / "one"


def test_equal_files_make_equal_layers(root: Path, tmp_path: Path) -> None:
    tree(tmp_path / "two", ["c.py", "b.py", "a.py"])
    os.utime(tmp_path / "two/opt/env/lib/c.py", (1, MADE + 99))
    data, sha256 = layer(root)
    assert layer(tmp_path / "two") == (data, sha256)
    assert hashlib.sha256(data).hexdigest() == sha256


def test_names_owners_times_and_links_are_fixed(root: Path) -> None:
    found = members(layer(root)[0])
    files = ["opt/env/lib/a.py", "opt/env/lib/b.py", "opt/env/lib/c.py", "opt/env/lib/z.py"]
    assert list(found) == ["opt", "opt/env", "opt/env/lib", *files, "opt/env/link"]
    assert {(one.uid, one.gid, one.uname) for one in found.values()} == {(0, 0, "")}
    assert found["opt/env/lib/a.py"].mode == 0o640
    assert (found["opt/env/lib/z.py"].islnk(), found["opt/env/lib/z.py"].linkname) == (True, "opt/env/lib/a.py")
    assert found["opt/env/link"].linkname == "lib/a.py"
    # Bytecode in packages names the time of its source.
    assert found["opt/env/lib/b.py"].mtime == 1_600_000_000
    assert {one.mtime for name, one in found.items() if not name.endswith("b.py")} == {MADE}


def test_what_is_left_out_replaced_and_added(root: Path) -> None:
    texts = {"/opt/env/lib/c.py": Text(b"ours"), "/etc/passwd": Text(b"me", 0o600, (5, 6))}
    data, _sha256 = layer(
        root, without=frozenset({"/opt/env/lib/b.py"}), texts=texts, directories={"/home/me": (0o770, (7, 7))}
    )
    found = members(data)
    assert "opt/env/lib/b.py" not in found
    assert (found["etc/passwd"].mode, found["etc/passwd"].uid, found["etc/passwd"].gid) == (0o600, 5, 6)
    assert (found["home/me"].isdir(), found["home/me"].mode, found["home/me"].uid) == (True, 0o770, 7)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.extractfile("opt/env/lib/c.py").read() == b"ours"  # type: ignore[union-attr]


def test_what_does_not_exist_is_no_part(root: Path) -> None:
    assert members(layer(root, trees=("/nowhere",))[0]) == {}


def test_a_pipe_is_refused(root: Path) -> None:
    os.mkfifo(root / "opt/env/pipe")
    with pytest.raises(EvenkeelError, match="/opt/env/pipe is no file"):
        layer(root)
