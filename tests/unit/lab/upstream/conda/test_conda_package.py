# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing conda packages."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from rattler.package import IndexJson, PathsJson

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER, Package

BINARY = Package("tool", "1.2", "py311_0", 0, "linux-64", ("python >=3.11,<3.12.0a0",), license="MIT", summary="A tool")
NOARCH = Package("lib", "2", "py_0", 0, "noarch", ("python",), noarch="python", entry_points=("lib = lib.cli:main",))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, content in {
        "bin/tool": f"#!{PREFIX_PLACEHOLDER}/bin/python\n".encode(),
        "lib/blob": b"\0" + PREFIX_PLACEHOLDER.encode(),
        "lib/plain": b"plain\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "bin" / "tool").chmod(0o700)
    (root / "bin" / "alias").symlink_to("tool")
    return root


def _members(package: Path, part: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with zipfile.ZipFile(package) as archive:
        compressed = archive.read(f"{part}-{package.name.removesuffix('.conda')}.tar.zst")
    content = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: (member, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar}


def test_the_same_input_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    first = conda_package.write(BINARY, tree, tmp_path / "first")
    (tree / "lib" / "plain").touch()
    second = conda_package.write(BINARY, tree, tmp_path / "second")
    assert first.name == "tool-1.2-py311_0.conda"
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_another_program_reads_what_the_package_says(tree: Path, tmp_path: Path) -> None:
    package = conda_package.write(BINARY, tree, tmp_path / "out")
    index = IndexJson.from_package_archive(package)
    assert (index.name.normalized, str(index.version), str(index.build), index.subdir) == (
        *("tool", "1.2", "py311_0"),
        "linux-64",
    )
    assert index.depends == ["python >=3.11,<3.12.0a0"]
    assert len(PathsJson.from_package_archive(package).paths) == 4


def test_paths_carry_hash_size_kind_and_placeholder(tree: Path, tmp_path: Path) -> None:
    info = _members(conda_package.write(BINARY, tree, tmp_path / "out"), "info")
    entries = {entry["_path"]: entry for entry in json.loads(info["info/paths.json"][1])["paths"]}
    assert entries["lib/plain"] == {
        "_path": "lib/plain",
        "path_type": "hardlink",
        "sha256": hashlib.sha256(b"plain\n").hexdigest(),
        "size_in_bytes": 6,
    }
    assert entries["bin/tool"]["prefix_placeholder"] == PREFIX_PLACEHOLDER
    assert entries["bin/tool"]["file_mode"] == "text"
    assert entries["lib/blob"]["prefix_placeholder"] == PREFIX_PLACEHOLDER
    assert entries["lib/blob"]["file_mode"] == "binary"
    assert entries["bin/alias"]["path_type"] == "softlink"
    assert entries["bin/alias"]["sha256"] == entries["bin/tool"]["sha256"]
    assert info["info/files"][1].decode().splitlines() == ["bin/alias", "bin/tool", "lib/blob", "lib/plain"]


def test_files_keep_kind_and_execution_bit_and_nothing_of_this_machine(tree: Path, tmp_path: Path) -> None:
    content = _members(conda_package.write(BINARY, tree, tmp_path / "out"), "pkg")
    assert content["bin/alias"][0].linkname == "tool"
    assert content["bin/tool"][0].mode == 0o755
    assert content["lib/plain"][0].mode == 0o644
    assert {member.uid for member, _ in content.values()} == {0}
    assert {member.mtime for member, _ in content.values()} == {conda_package.FIXED_TIME}


def test_noarch_packages_name_their_entry_points(tree: Path, tmp_path: Path) -> None:
    info = _members(conda_package.write(NOARCH, tree, tmp_path / "out"), "info")
    assert json.loads(info["info/link.json"][1]) == {
        "noarch": {"entry_points": ["lib = lib.cli:main"], "type": "python"},
        "package_metadata_version": 1,
    }
    index = json.loads(info["info/index.json"][1])
    assert (index["noarch"], index["arch"], index["platform"]) == ("python", None, None)


def test_packages_of_one_platform_are_not_linked_like_noarch(tree: Path, tmp_path: Path) -> None:
    info = _members(conda_package.write(BINARY, tree, tmp_path / "out"), "info")
    assert "info/link.json" not in info
    assert json.loads(info["info/index.json"][1])["arch"] == "x86_64"


def test_permissions_of_files_and_folders_can_be_given(tree: Path, tmp_path: Path) -> None:
    modes = {"lib": 0o2777, "lib/plain": 0o666, "bin/tool": 0o4755}
    content = _members(conda_package.write(BINARY, tree, tmp_path / "out", modes), "pkg")
    assert {name: content[name][0].mode for name in modes} == modes
    assert content["lib"][0].isdir()
    assert content["lib/blob"][0].mode == 0o644
