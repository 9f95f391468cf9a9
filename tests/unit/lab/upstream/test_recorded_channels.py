# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bz2
import json
from pathlib import Path
from typing import Any

import pytest

from lab import paths
from lab.errors import LabError
from lab.upstream import mirror_server, recorded_channels
from lab.upstream.conda import channel
from reality import record
from reality.parts.data import learned

SEEN = {
    "repodata.json": {"status": 200, "content-type": "application/json", "cache-control": "public, max-age=30"},
    "repodata.json.zst": {"status": 200, "content-type": "binary/octet-stream", "accept-ranges": "bytes"},
    "repodata.json.bz2": {"status": 200},
    "current_repodata.json": {"status": 200},
    "repodata_shards.msgpack.zst": {"status": 404},
}
OK = {"status": 200}
TERMS = {
    "version": "2026-01-31T00:00:00+00:00",
    "support": "https://a.example/help",
    "keys": ["support", "text", "version"],
}


def put(folder: Path, name: str, data: Any) -> Path:
    record.write(record.Record(f"data/{name}", "https://a.example", "2026-11-29", data), folder)
    return folder / "data"


@pytest.fixture
def www(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    top = tmp_path / "www"
    for name, path in (("WWW", top), ("CHANNEL", top / "pkgs" / "main"), ("R_CHANNEL", top / "pkgs" / "r")):
        monkeypatch.setattr(paths, name, path)
    top.mkdir()
    return top


def test_an_index_has_the_forms_that_were_seen(tmp_path: Path) -> None:
    shape = recorded_channels.shape("main", put(tmp_path, "index/main", SEEN))
    channel.index(tmp_path / "seen", shape)
    channel.index(tmp_path / "own")
    for subdir in channel.SUBDIRS:
        found = {path.name for path in (tmp_path / "seen" / subdir).iterdir() if path.is_file()}
        assert found == SEEN.keys() - {"repodata_shards.msgpack.zst"}
        plain = (tmp_path / "seen" / subdir / "repodata.json").read_bytes()
        assert bz2.decompress((tmp_path / "seen" / subdir / "repodata.json.bz2").read_bytes()) == plain
        own = {path.name for path in (tmp_path / "own" / subdir).iterdir() if path.is_file()}
        assert own == {"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst"}


def test_the_server_is_told_what_was_seen_and_forgets_it_with_the_records(tmp_path: Path, www: Path) -> None:
    put(tmp_path, "index/main", SEEN)
    recorded_channels.write_answers(www, put(tmp_path, "terms/main", TERMS))
    answers = json.loads((www / mirror_server.ANSWERS).read_text())
    assert answers["headers"]["/pkgs/main/noarch/repodata.json"] == {
        "content-type": "application/json",
        "cache-control": "public, max-age=30",
    }
    assert answers["headers"]["/pkgs/main/linux-64/repodata.json.zst"] == {"content-type": "binary/octet-stream"}
    assert "/pkgs/main/linux-64/repodata_shards.msgpack.zst" not in answers["headers"]
    assert answers["terms"] == {
        "version": "2026-01-31T00:00:00+00:00",
        "support": "https://a.example/help",
        "text": "The lab keeps no text.",
    }
    recorded_channels.write_answers(www, tmp_path / "none")
    assert not (www / mirror_server.ANSWERS).exists()


def test_a_channel_without_terms_leaves_the_labs_own(tmp_path: Path, www: Path) -> None:
    recorded_channels.write_answers(www, put(tmp_path, "terms/main", None))
    assert not (www / mirror_server.ANSWERS).exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("index/main", {"repodata.json": {}}),
        ("index/main", {"repodata.json": {"status": "ok"}}),
        ("index/main", {"repodata.json": {"status": float("inf")}}),
        ("index/main", {"repodata.json": {**OK, "content-type": "text/html\r\nSet-Cookie: a=b"}}),
        ("index/main", {"repodata.json": {**OK, "cache-control": ""}}),
        ("index/main", {"repodata.json": {**OK, "cache-control": 30}}),
        ("index/main", ["repodata.json"]),
        ("terms/main", {"version": "1"}),
        ("terms/main", ["1"]),
    ],
)
def test_a_record_that_is_none_is_named(tmp_path: Path, www: Path, name: str, data: Any) -> None:
    folder = put(tmp_path, name, data)
    with pytest.raises(LabError, match=f"{name}.json can't be used"):
        recorded_channels.write_answers(www, folder)


@pytest.mark.parametrize("form", ["../../other", "{folder}/other", "..", "", "repodata.json/..", "a\0b", "other.json"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_form_that_is_none_is_named_and_no_file_of_others_goes(tmp_path: Path, form: str, status: int) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    folder = put(tmp_path, "index/main", {form.format(folder=tmp_path): {"status": status}})
    (tmp_path / "channel" / "linux-64").mkdir(parents=True)
    with pytest.raises(LabError, match=r"index/main\.json can't be used: .* is no form of a channel's index"):
        recorded_channels.take_forms(tmp_path / "channel" / "linux-64", recorded_channels.shape("main", folder))
    assert other.read_text() == "kept"


def test_the_records_names_are_those_that_are_looked_at() -> None:
    names = {sight.name for sight in learned.sights()}
    assert {"terms/main", "index/main", "index/r"} <= names
