# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality import __main__ as command
from reality import record
from reality.claims import OutOfTimeError, SkippedError
from reality.parts.data import learned
from reality.reach import RefusedError, TroubleError
from reality.record import Record, Sight
from reality.run import Recording, known_parts
from reality.world import World
from tests.unit.reality.made_part import Made
from tests.unit.reality.site import Reply, Site, nobody

SEEN = Record("data/terms/main", "https://a.example/terms.json", "2026-11-29", {"version": "1"})


def test_a_record_is_read_as_it_was_written_and_keeps_its_day(tmp_path: Path) -> None:
    path = tmp_path / "data" / "terms" / "main.json"
    assert record.write(SEEN, tmp_path)
    assert record.read(path) == SEEN
    assert not record.write(replace(SEEN, date="2027-01-01"), tmp_path)
    assert record.write(replace(SEEN, date="2027-01-01", data=None), tmp_path)
    assert record.read(path).date == "2027-01-01"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "data//x", "data/", "", "a b", "Data/x", "data/\n", "data/.hidden"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvenkeelError, match="can't be the name of a record"):
        record.write(replace(SEEN, name=name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_record_is_made_anew_and_a_newer_one_is_kept(tmp_path: Path) -> None:
    path = record.path_of(SEEN.name, tmp_path)
    record.write(SEEN, tmp_path)
    path.write_text(path.read_text()[:40])
    record.require_known(tmp_path)
    assert record.write(SEEN, tmp_path)
    newer = path.read_text().replace('"format": 1', '"format": 2')
    path.write_text(newer)
    for refused in (lambda: record.write(SEEN, tmp_path), lambda: record.require_known(tmp_path)):
        with pytest.raises(EvenkeelError, match="is of the form 2, and this version of Evenkeel reads 1"):
            refused()
    assert path.read_text() == newer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "is of the form 2, and this version of Evenkeel reads 1"),
        ({"format": "1"}, "is no record of the real thing"),
        ({"kind": "evenkeel review"}, "is no record of the real thing"),
        ({"data": ...}, "is no record of the real thing"),
        ({"name": "data/terms/r"}, "is the record of data/terms/r"),
    ],
)
def test_a_record_of_others_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    record.write(SEEN, tmp_path)
    path = record.path_of(SEEN.name, tmp_path)
    content = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
    with pytest.raises(EvenkeelError, match=said):
        record.read(path)


def test_what_sites_teach(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "_CHANNELS", {"main": f"{site.url}/main"})
    monkeypatch.setattr(learned, "cuda_places", tuple)
    monkeypatch.setattr(learned, "container_places", tuple)
    site.answer("/main/terms.json", b'{"version": "1", "text": "long", "support": "x"}')
    site.answer(
        "/main/linux-64/repodata.json",
        Reply(b'{"info": {}}', headers={"Content-Type": "application/json", "Date": "x"}),
    )
    found = {seen.name: seen.data for sight in learned.sights() for seen in [sight.look(world)]}
    assert found["data/terms/main"] == {"version": "1", "support": "x", "keys": ["support", "text", "version"]}
    assert learned._terms(f"{site.url}/none", world) is None
    assert found["data/index/main"]["repodata.json"] == {"status": 200, "content-type": "application/json"}
    assert found["data/index/main"]["repodata.json.zst"] == {"status": 404}


@pytest.mark.parametrize("reply", [Reply(b"<html>"), Reply(b"[" * 100000), Reply(b"{}"), Reply(status=403)])
def test_a_site_that_is_not_itself_teaches_nothing(site: Site, world: World, reply: Reply) -> None:
    for path in ("/main/terms.json", "/main/linux-64/repodata.json"):
        site.answer(path, reply)
    for look in (learned._terms, learned._shape):
        with pytest.raises((EvenkeelError, RefusedError)):
            look(f"{site.url}/main", world)


class Seeing(Made):
    """A part that is recorded by functions."""

    def __init__(self, **looks: Callable[[World], Record]) -> None:
        super().__init__({})
        self.looks = looks

    def sights(self, _world: World) -> list[Sight]:
        return [Sight(name, look) for name, look in self.looks.items()]


def down(_world: World) -> Record:
    raise TroubleError("a.example can't be reached")


def lacking(_world: World) -> Record:
    raise SkippedError("this machine has no podman")


def garbage(_world: World) -> Record:
    raise EvenkeelError("It is no list of APT", "")


def time_over(_world: World) -> Record:
    raise OutOfTimeError


@pytest.fixture
def seeing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seeing:
    part = Seeing(main=lambda _world: SEEN)
    monkeypatch.setattr(record, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(command, "known_parts", lambda: {"blind": Made({}), "seeing": part})
    return part


def test_the_command_writes_what_parts_see_and_the_lab_teaches_nothing(
    seeing: Seeing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: World
) -> None:
    assert command.main(["record"], tmp_path) == 0
    assert record.read(record.path_of(SEEN.name, tmp_path / "recorded")) == SEEN
    said = f"1 of 1 are recorded in {tmp_path}/recorded, 1 of them have changed"
    assert ["seeing/main has changed", said] == capsys.readouterr().out.splitlines()[-2:]
    world.stand_ins = {}
    monkeypatch.setattr("reality.world.chosen", lambda *_unused, **_more: world)
    assert command.main(["record"], tmp_path) == command.USAGE


@pytest.mark.parametrize(
    ("look", "status", "said"),
    [
        (down, command.UNFINISHED, "a.example can't be reached"),
        (garbage, command.OTHERWISE, "It is no list of APT"),
        (lacking, command.WELL, "seeing/other is left out: this machine has no podman"),
    ],
)
def test_what_can_not_be_seen_is_told_and_the_rest_goes_on(
    seeing: Seeing,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    look: Callable[[World], Record],
    status: int,
    said: str,
) -> None:
    seeing.looks = {"other": look, **seeing.looks}
    assert command.main(["record"], tmp_path) == status
    shown = capsys.readouterr().out
    assert (said in shown, "1 of 2 are recorded" in shown) == (True, True), shown


def test_without_a_network_nothing_is_recorded(
    seeing: Seeing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeing.NETWORK = True
    monkeypatch.setattr("reality.world.SITES", [nobody()])
    assert command.main(["record"], tmp_path) == command.NO_NETWORK
    assert capsys.readouterr().err.startswith("reality: no network: none of 1 sites answers")
    assert command.main(["record", "--only", "seeing/moon"], tmp_path) == command.USAGE
    assert "reality list --recorded." in capsys.readouterr().err


def test_a_recording_goes_on_where_it_stopped(seeing: Seeing, tmp_path: Path) -> None:
    looked = []

    def look(_world: World) -> Record:
        looked.append("main")
        return SEEN

    seeing.looks = {"main": look, "other": time_over}
    assert command.main(["record"], tmp_path) == command.UNFINISHED
    seeing.looks["other"] = look
    assert command.main(["record"], tmp_path) == 0
    assert looked == ["main", "main"]


def test_a_newer_record_ends_a_recording_before_it_begins(
    seeing: Seeing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.write(SEEN, tmp_path / "recorded")
    path = record.path_of(SEEN.name, tmp_path / "recorded")
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    seeing.looks = {"main": down}
    assert command.main(["record"], tmp_path) == command.USAGE
    assert "is of the form 2" in capsys.readouterr().err


def test_parts_have_sights_with_names_of_their_own_and_without_a_network(world: World) -> None:
    parts = {name: part for name, part in known_parts().items() if hasattr(part, "sights")}
    assert list(parts) == ["data", "packages", "gpu"]
    for part in parts.values():
        names = [one.name for one in cast(Recording, part).sights(world)]
        assert names
        assert len(set(names)) == len(names)
