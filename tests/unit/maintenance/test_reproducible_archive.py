# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from maintenance import reproducible_archive

#: A path of more than 100 characters gets a header of its own.
LONG = f"docs/{'long' * 30}.md"
MODES = {"README.md": 0o644, "docs": 0o755, LONG: 0o644, "run": 0o755}
TIME = 1_700_000_000


def archive(path: Path, order: Sequence[str], time: float) -> Path:
    """Make an archive as galaxy does, of files in an order, at a time."""
    files = {"files": [{"name": name} for name in (".", *order)], "format": 1}
    listed = json.dumps(files, indent=1).encode()
    manifest = {"file_manifest_file": {"chksum_sha256": hashlib.sha256(listed).hexdigest()}, "format": 1}
    with tarfile.open(path, "w:gz") as packed:
        for name, content in (("MANIFEST.json", json.dumps(manifest, indent=1).encode()), ("FILES.json", listed)):
            add(packed, name, content, time)
        for name in order:
            add(packed, name, None if name == "docs" else name.encode(), time)
        link = tarfile.TarInfo("LICENSE")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "LICENSES/mine.txt", int(time)
        packed.addfile(link)
    return path


def add(packed: tarfile.TarFile, name: str, content: bytes | None, time: float) -> None:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    member.size, member.mode, member.mtime = len(content or b""), MODES.get(name, 0o644), time
    packed.addfile(member, io.BytesIO(content or b""))


def test_neither_the_order_nor_the_time_nor_the_place_of_a_build_is_in_its_archive(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.tar.gz", ["run", LONG, "docs", "README.md"], 1.5)
    other = archive(tmp_path / "other.tar.gz", ["docs", LONG, "README.md", "run"], 1_800_000_000.25)
    for path in (one, other):
        reproducible_archive.rewrite(path, TIME)
    assert one.read_bytes() == other.read_bytes()
    assert int.from_bytes(one.read_bytes()[4:8], "little") == TIME


def test_a_rewritten_archive_has_the_same_content_and_a_manifest_of_it(tmp_path: Path) -> None:
    path = archive(tmp_path / "one.tar.gz", ["run", LONG, "docs", "README.md"], 1.5)
    reproducible_archive.rewrite(path, TIME)
    with tarfile.open(path) as packed:
        members = {member.name: member for member in packed}
        regular = (member for member in members.values() if member.isfile())
        held = {member.name: file.read().decode() for member in regular if (file := packed.extractfile(member))}
    names, text = (held.pop(name) for name in ("FILES.json", "MANIFEST.json"))
    assert held == {name: name for name in MODES if name != "docs"}
    assert {name: members[name].mode for name in MODES} == MODES
    assert {member.mtime for member in members.values()} == {TIME}
    assert list(members) == sorted([*MODES, "LICENSE", "FILES.json", "MANIFEST.json"])
    assert members["LICENSE"].linkname == "LICENSES/mine.txt"
    assert json.loads(text)["file_manifest_file"]["chksum_sha256"] == hashlib.sha256(names.encode()).hexdigest()
    assert [one["name"] for one in json.loads(names)["files"]] == sorted([".", *MODES])
