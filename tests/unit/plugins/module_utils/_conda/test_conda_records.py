# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of the real py-rattler, held against what conda 26.7.1 wrote of the same packages."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_records
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import verify_files

from tests.path_types import BYTECODE, MINOR, SITE, Channel

Record = dict[str, Any]

#: For each path of a record, what conda writes of it: the type, and whether there is a hash of the file as it is here.
PYTHON = {"bin/python": ("softlink", False), f"bin/python{MINOR}": ("hardlink", True)}
HELLO = {
    "bin/hello": ("hardlink", True),
    "lib/binary": ("hardlink", True),
    "lib/folder": ("softlink", False),
    "lib/hello.txt": ("hardlink", True),
    "lib/link.txt": ("softlink", False),
    "lib/prefix.txt": ("hardlink", True),
}
TOOL = {
    f"{SITE}/link.py": ("softlink", False),
    f"{SITE}/tool.py": ("hardlink", True),
    "bin/script": ("hardlink", True),
    "bin/tool": ("unix_python_entry_point", False),
    BYTECODE: ("pyc_file", False),
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    channel = Channel(tmp_path_factory.mktemp("node"))
    for name in ("cold", "warm"):
        channel.build(name, "rattler")
    return channel.directory


def record(prefix: Path, name: str) -> Record:
    (path,) = (prefix / "conda-meta").glob(f"{name}-[0-9]*.json")
    found: Record = json.loads(path.read_text())
    return found


# what conda writes of a package


@pytest.mark.parametrize("prefix", ["cold", "warm"])
@pytest.mark.parametrize(("name", "paths"), [("python", PYTHON), ("hello", HELLO), ("tool", TOOL)])
def test_entries_are_those_of_conda(node: Path, prefix: str, name: str, paths: dict[str, tuple[str, bool]]) -> None:
    found = record(node / "envs" / prefix, name)
    assert {
        entry["_path"]: (entry["path_type"], "sha256_in_prefix" in entry) for entry in found["paths_data"]["paths"]
    } == paths
    assert sorted(found["files"]) == sorted(paths)


@pytest.mark.parametrize("name", ["python", "hello", "tool", "plain"])
def test_conda_finds_no_file_altered_and_none_missing(node: Path, name: str) -> None:
    """What ``conda doctor`` does with a record."""
    prefix = node / "envs" / "warm"
    found = record(prefix, name)
    for entry in found["paths_data"]["paths"]:
        path = prefix / entry["_path"]
        if "sha256_in_prefix" in entry:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256_in_prefix"], path
    assert [path for path in found["files"] if not (prefix / path).exists()] == []


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("python", {"constrains": [], "depends": [], "requested_spec": f"python={MINOR}"}),
        ("hello", {"requested_spec": "Hello >=1", "requested_specs": ["Hello >=1"]}),
        ("tool", {"noarch": "python", "package_type": "noarch_python", "constrains": []}),
        ("plain", {"constrains": ["hello >=1"], "requested_specs": []}),
    ],
)
def test_fields_are_those_of_conda(node: Path, name: str, fields: Record) -> None:
    found = record(node / "envs" / "warm", name)
    assert {key: found[key] for key in fields} == fields
    assert found["channel"] == found["url"].rpartition("/")[0]
    assert ("requested_spec" in found) == bool(found["requested_specs"])
    assert found["link"] == {"source": found["extracted_package_dir"], "type": 1}


def test_bytecode_belongs_to_its_package_so_that_a_clone_compiles_its_own(node: Path) -> None:
    found = record(node / "envs" / "warm", "tool")
    (entry,) = (entry for entry in found["paths_data"]["paths"] if entry["_path"] == BYTECODE)
    assert entry["size_in_bytes"] == (node / "envs" / "warm" / BYTECODE).stat().st_size > 0


# what links lead to


@pytest.mark.parametrize("path", ["bin/python", "lib/link.txt", f"{SITE}/link.py"])
def test_a_link_that_was_turned_is_found_without_its_package_in_the_cache(node: Path, path: str) -> None:
    prefix, cache = node / "envs" / "cold", node / "pkgs" / "rattler"
    cache.rename(node / "away")
    target = (prefix / path).readlink()
    try:
        assert verify_files(str(prefix)).intact
        (prefix / path).unlink()
        (prefix / path).symlink_to("/elsewhere")
        assert verify_files(str(prefix)).edited == (path,)
    finally:
        (node / "away").rename(cache)
        (prefix / path).unlink()
        (prefix / path).symlink_to(target)


def test_a_damaged_note_of_links_is_drift(node: Path) -> None:
    note = node / "envs" / "cold" / "conda-meta" / "evenkeel-links"
    text = note.read_text()
    try:
        for damage in ("{", "7"):
            note.write_text(damage)
            assert "conda-meta/evenkeel-links" in verify_files(str(node / "envs" / "cold")).edited
    finally:
        note.write_text(text)


# pure


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"path_type": "hardlink", "sha256": "ab"}, {"sha256": "ab", "sha256_in_prefix": "ab"}),
        ({"path_type": "hardlink", "sha256": "ab", "sha256_in_prefix": "cd"}, {"sha256_in_prefix": "cd"}),
        ({"path_type": "hardlink"}, {}),
        ({"path_type": "softlink", "sha256": "ab", "sha256_in_prefix": "cd"}, {"sha256": "ab"}),
        ({"path_type": "directory"}, {}),
        ({"path_type": "unix_python_entry_point", "sha256": "ab"}, {"sha256": "ab"}),
    ],
)
def test_a_path_of_each_type(before: Record, after: Record) -> None:
    entry = {"_path": "lib/x", **before}
    whole = {"name": "a", "url": "https://mirror.example/main/noarch/a-1-0.conda", "files": ["lib/x"]}
    written = conda_records.as_conda_writes({**whole, "paths_data": {"paths_version": 1, "paths": [entry]}}, "", {})
    (found,) = written["paths_data"]["paths"]
    assert {key: found[key] for key in after} == after
    assert ("sha256_in_prefix" in found) == ("sha256_in_prefix" in after)
