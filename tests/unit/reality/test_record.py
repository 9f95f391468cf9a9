# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality import __main__ as command
from reality import record
from reality.parts.data import learned
from reality.record import Record
from reality.world import World
from tests.unit.reality.made_part import Made
from tests.unit.reality.site import Reply, Site

SEEN = Record("data/terms/main", "https://a.example/terms.json", "2026-11-29", {"version": "1"})


def test_a_record_is_read_as_it_was_written_and_keeps_its_day(tmp_path: Path) -> None:
    assert list(record.write([SEEN], tmp_path)) == [tmp_path / "data" / "terms" / "main.json"]
    assert record.read(record.path_of(SEEN.name, tmp_path)) == SEEN
    assert list(record.write([replace(SEEN, date="2027-01-01")], tmp_path)) == []
    assert list(record.write([replace(SEEN, date="2027-01-01", data=None)], tmp_path)) != []
    assert record.read(record.path_of(SEEN.name, tmp_path)).date == "2027-01-01"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "is of the form 2, and this version of Evenkeel reads 1"),
        ({"format": "1"}, "is no record of the real thing"),
        ({"kind": "evenkeel review"}, "is no record of the real thing"),
        ({"data": ...}, "is no record of the real thing"),
    ],
)
def test_a_record_of_others_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    (path,) = record.write([SEEN], tmp_path)
    content = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
    with pytest.raises(EvenkeelError, match=said):
        record.read(path)


def test_what_sites_teach(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "_CHANNELS", {"main": f"{site.url}/main", "none": f"{site.url}/none"})
    monkeypatch.setattr(learned, "cuda_places", tuple)
    monkeypatch.setattr(learned, "container_places", tuple)
    site.answer("/main/terms.json", b'{"version": "1", "text": "long", "support": "x"}')
    site.answer("/main/linux-64/repodata.json", Reply(b"{}", headers={"Content-Type": "application/json", "Date": "x"}))
    found = {one.name: one.data for one in learned.records(world)}
    assert found["data/terms/main"] == {"version": "1", "support": "x", "keys": ["support", "text", "version"]}
    assert found["data/terms/none"] is None
    assert found["data/index/main"]["repodata.json"] == {"status": 200, "content-type": "application/json"}
    assert found["data/index/main"]["repodata.json.zst"] == {"status": 404}


def test_the_command_writes_what_parts_see_and_the_lab_teaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: World
) -> None:
    class Seeing(Made):
        def records(self, _world: World) -> list[Record]:
            return [SEEN]

    monkeypatch.setattr(record, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(command, "known_parts", lambda: {"blind": Made({}), "seeing": Seeing({})})
    assert command.main(["record"], tmp_path) == 0
    assert f"wrote {tmp_path}/recorded/data/terms/main.json" in capsys.readouterr().out
    world.stand_ins = {}
    monkeypatch.setattr("reality.world.chosen", lambda *_unused, **_more: world)
    assert command.main(["record"], tmp_path) == command.USAGE
