# SPDX-License-Identifier: GPL-3.0-or-later
"""Advisories in OSV's format, as they come and as they should not."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import advisories


def entry(id_: str = "PYSEC-1", name: str = "Jinja2", ecosystem: str = "PyPI", **more: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.6"}]}]
    affected = [{"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, "versions": ["3.0"]}]
    return {"id": id_, "modified": "2026-01-01T00:00:00Z", "affected": affected, **more}


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return content.getvalue()


def read(folder: Path, content: Any, name: str = "one.json") -> advisories.Advisories:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return advisories.read([path])


def test_what_is_read_of_one(tmp_path: Path) -> None:
    more = {"aliases": ["CVE-1"], "summary": "It breaks", "database_specific": {"severity": "HIGH"}}
    found = read(tmp_path, entry(**more))
    assert found.by_name == {
        "jinja2": [
            advisories.Advisory(
                id="PYSEC-1",
                aliases=("CVE-1",),
                summary="It breaks",
                severity="high",
                ranges=((("introduced", "0"), ("fixed", "3.1.6")),),
                versions=frozenset({"3.0"}),
            )
        ]
    }
    assert (found.read, found.counted, found.withdrawn) == (1, 1, 0)
    assert (found.newest, found.malformed) == ("2026-01-01T00:00:00Z", {})


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ([entry(), entry("PYSEC-2", "a.b_C")], {"jinja2", "a-b-c"}),
        (entry(ecosystem="npm"), set()),
        (entry(withdrawn="2026-02-01T00:00:00Z"), set()),
        (entry(summary=None, details="First\nSecond"), {"jinja2"}),
        (entry(severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]), {"jinja2"}),
        ({"id": "A", "modified": "2026-01-01T00:00:00Z"}, set()),
    ],
)
def test_what_counts(tmp_path: Path, content: Any, names: set[str]) -> None:
    found = read(tmp_path, content)
    assert found.malformed == {}
    assert set(found.by_name) == names
    assert found.counted == len(names)


def test_folders_and_archives(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.json").write_text(json.dumps(entry("A", "a")))
    (tmp_path / "README").write_text("no advisory")
    files = {"b.json": json.dumps(entry("B", "b")).encode(), "notes.txt": b""}
    (tmp_path / "all.zip").write_bytes(archive(files))
    found = advisories.read([tmp_path])
    assert (set(found.by_name), found.read, found.malformed) == ({"a", "b"}, 2, {})
    (tmp_path / "all").write_bytes(archive(files))
    assert set(advisories.read([tmp_path / "all"]).by_name) == {"b"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 200 + b"]" * 200, "nested too deeply"),
        (b"[NaN]", "no JSON"),
        (b"1", "no advisory in OSV's format"),
        (b"{}", "KeyError: 'modified'"),
        (entry(modified="yesterday"), "modified is 'yesterday'"),
        (entry(id_=7), "7 is no text"),  # type: ignore[arg-type]
        (entry(aliases=[{}]), "{} is no text"),
        (entry(affected=[{"package": {"ecosystem": "PyPI"}}]), "KeyError: 'name'"),
        (entry(affected=[{"package": {"ecosystem": "PyPI", "name": "a"}, "ranges": [{}]}]), "KeyError: 'type'"),
        (
            entry(
                affected=[
                    {
                        "package": {"ecosystem": "PyPI", "name": "a"},
                        "ranges": [{"type": "SEMVER", "events": [{"begun": "1"}]}],
                    }
                ]
            ),
            "there is no event 'begun'",
        ),
    ],
)
def test_what_is_malformed_is_named_and_hides_nothing(tmp_path: Path, content: Any, words: str) -> None:
    (tmp_path / "good.json").write_text(json.dumps(entry("GOOD", "good")))
    bad = tmp_path / "bad.json"
    bad.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = advisories.read([tmp_path])
    assert set(found.by_name) == {"good"}
    ((place, why),) = found.malformed.items()
    assert place.startswith(str(bad))
    assert words in why


def test_of_a_list_the_malformed_one_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, [entry("GOOD", "good"), entry("BAD", modified=1)])
    assert set(found.by_name) == {"good"}
    assert list(found.malformed) == [f"{tmp_path / 'one.json'}: BAD"]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    content = bytearray(archive({"a.json": json.dumps(entry("A", "a" * 2000)).encode(), "b.json": b"{}"}))
    content[60:70] = b"0123456789"
    found = read(tmp_path, bytes(content), "all.zip")
    assert len(found.malformed) == 2


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_damaged_anywhere_hides_no_other(tmp_path: Path, method: int) -> None:
    (tmp_path / "good.json").write_text(json.dumps(entry("GOOD", "good")))
    whole = archive({"ä.json": json.dumps(entry("A", "a" * 200)).encode()}, method)
    for at in range(len(whole)):
        (tmp_path / "all.zip").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert "good" in advisories.read([tmp_path]).by_name, at
    for length in range(0, len(whole), 7):
        found = read(tmp_path, whole[:length], "all.zip")
        assert (found.counted, list(found.malformed)) == (0, [str(tmp_path / "all.zip")])


@pytest.mark.parametrize("name", ["pipe.json", "pipe.zip"])
def test_what_is_no_regular_file_is_named(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for place in (tmp_path, tmp_path / name):
        assert advisories.read([place]).malformed == {str(tmp_path / name): "It is no regular file"}


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "MOST_FILE_BYTES", 1 << 20)
    (tmp_path / "large.json").write_bytes(b" " * (2 << 20))
    for place in (tmp_path, tmp_path / "large.json"):
        assert advisories.read([place]).malformed == {str(tmp_path / "large.json"): "It is larger than 1 MiB"}


def test_an_archive_that_swells_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "MOST_BYTES", 1 << 20)
    found = read(tmp_path, archive({"swollen.json": b" " * (2 << 20)}), "all.zip")
    assert list(found.malformed.values()) == ["It is larger than 1 MiB"]


def test_a_folder_that_is_closed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good.json").write_text(json.dumps(entry()))
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(EvenkeelError, match=f"{closed}: Permission denied .review_advisories"):
        advisories.read([tmp_path])


@pytest.mark.parametrize("name", ["nowhere.json", "empty"])
def test_a_place_without_advisories_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvenkeelError, match="review_advisories"):
        advisories.read([tmp_path / name])
