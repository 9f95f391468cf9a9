# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken of an archive of bytecode, and what refuses it."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Archive, Offer, contents
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import Python

PYTHON = Python("cpython-311", "lib/python3.11")
MAGIC = "a70d0d0a"
BYTECODE = bytes.fromhex(MAGIC) + b"\1\0\0\0" + b"the source's hash, and code"
X = "lib/python3.11/site-packages/__pycache__/x.cpython-311.pyc"

Write = Callable[[zipfile.ZipFile], object]


def written(path: Path, write: Write) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        write(archive)
    return str(path)


def entry(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    return info


def test_an_offer_survives_its_way_to_the_node() -> None:
    offer = Offer("cpython-311", MAGIC, {"ab" * 32: Archive("cd" * 32, 7)}, "https://store.example/bytecode")
    assert bytecode_offer.from_mapping(asdict(offer)) == offer
    assert offer.archives["ab" * 32].file == f"{'cd' * 32}.zip"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_an_archive_holds(tmp_path: Path, compression: int) -> None:
    path = written(tmp_path / "a.zip", lambda archive: archive.writestr(X, BYTECODE, compression))
    assert list(contents(path, PYTHON, MAGIC)) == [(X, BYTECODE)]


def test_a_source_that_does_not_compile_has_an_empty_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", lambda archive: archive.writestr(X, b""))
    assert list(contents(path, PYTHON, MAGIC)) == [(X, b"")]


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda a: a.writestr("/etc/cron.d/__pycache__/x.cpython-311.pyc", BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(f"lib/python3.11/../../../{X}", BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X.replace("site-packages", "."), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X.replace("site-packages", ""), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X.replace("site-packages/", "site-packages\\"), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr("bin/python", BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr("lib/python3.11/site-packages/x.py", BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr("lib/python3.11/site-packages/x.pth", BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X.replace("__pycache__/", ""), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X.replace("-311", "-312"), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X.replace("python3.11", "python3.12"), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.mkdir("lib/python3.11"), "no bytecode of cpython-311"),
        (lambda a: a.writestr(entry(X, stat.S_IFLNK), "/etc/shadow"), "no bytecode of cpython-311"),
        (lambda a: a.writestr(entry(X, stat.S_IFBLK), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(entry(X, stat.S_IFIFO), BYTECODE), "no bytecode of cpython-311"),
        (lambda a: a.writestr(X, BYTECODE, zipfile.ZIP_LZMA), "compressed in a way that is not known"),
        (lambda a: a.writestr(X, BYTECODE.replace(b"\1", b"\0")), "no bytecode for this release of Python"),
        (lambda a: a.writestr(X, b"\0\0\0\0" + BYTECODE[4:]), "no bytecode for this release of Python"),
    ],
)
def test_what_refuses_an_archive(tmp_path: Path, write: Write, why: str) -> None:
    path = written(tmp_path / "a.zip", write)
    with pytest.raises(ValueError, match=why):
        list(contents(path, PYTHON, MAGIC))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", lambda archive: [archive.writestr(X, BYTECODE) for _ in range(2)])
    with pytest.raises(ValueError, match="twice"):
        list(contents(path, PYTHON, MAGIC))


def test_an_archive_that_grows_beyond_all_limits(tmp_path: Path) -> None:
    huge = BYTECODE + bytes(64 << 20)
    path = written(tmp_path / "a.zip", lambda archive: archive.writestr(X, huge, zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="more than it may"):
        list(contents(path, PYTHON, MAGIC))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"<html>not found</html>",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"code", b"edoc"),
        lambda content: content.replace(b"PK\x03\x04", b"PK\x03\x05"),
    ],
    ids=["empty", "a page", "cut short", "altered", "no header"],
)
def test_what_is_no_archive(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.zip"
    written(path, lambda archive: archive.writestr(X, BYTECODE))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="no archive that can be read"):
        list(contents(str(path), PYTHON, MAGIC))
