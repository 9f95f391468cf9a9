# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality import report
from reality.claims import Claim, Result
from reality.impersonal import without_paths
from reality.world import ROOT

WHEN = "2026-11-29T12:00:00+00:00"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
SCHEMA = json.loads((ROOT / "reality" / "report.schema.json").read_text())


def claim(key: str, subject: str = "Installers") -> Claim:
    return Claim(f"data/{key}", "data", f"{key} holds", subject)


def result(state: str, on: str = "https://a.example/x", **more: Any) -> Result:
    return Result(state, on, **{"when": WHEN, "version": "1.2.0", "seconds": 0.5, **more})


def ahead(**delta: int) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def of(**states: str) -> report.Report:
    """Return a report of claims with these states; those that are ``never`` have no result."""
    results = {f"data/{key}": result(state) for key, state in states.items() if state != "never"}
    return report.of_run(map(claim, states), results, "real")


def test_a_report_keeps_its_schema_and_is_read_again(tmp_path: Path) -> None:
    made = of(one="proven", two="differs", three="unreachable", four="skipped", five="never", six="failed")
    jsonschema.validate(made, SCHEMA)
    data, page = report.written(made, tmp_path)
    assert report.read(data) == made
    assert "1 of 6 claims are proven, 1 differ" in page.read_text()
    assert '<code class="quiet">data/five</code>' in page.read_text()
    assert without_paths(made["machine"]) == made["machine"], "it names no machine, person or folder"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: made.update(format=2), "is of the form 2, and this version of Evenkeel reads 1"),
        (lambda made: made.update(kind="evenkeel review"), "is no report of a reality check: kind"),
        (lambda made: made["claims"][0].update(state="fine"), r"is no report of a reality check: claims\.0\.state"),
        (lambda made: made["claims"][0].update(when="today"), r"claims\.0\.when"),
        (lambda made: made["claims"][0].update(when=""), "does not say when data/one was found"),
        (lambda made: made["claims"][0].update(when=ahead(days=2)), "is from the future: data/one is of 2"),
        (lambda made: made.update(created=ahead(days=2)), "is from the future: reality.json is of 2"),
        (lambda made: made.pop("claims"), "is no report of a reality check: all of it"),
    ],
)
def test_a_report_of_others_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str) -> None:
    made = of(one="proven")
    change(made)
    path = tmp_path / "reality.json"
    path.write_text(json.dumps(made))
    with pytest.raises(EvenkeelError, match=said):
        report.read(path)
    with pytest.raises(
        EvenkeelError, match=r"^[^ ]*/none\.json can't be read: No such file or directory\. Name a reality"
    ):
        report.read(tmp_path / "none.json")
    for text in ("<html>", "[" * 100_000, "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(EvenkeelError, match="can't be read"):
            report.read(path)


def test_clocks_may_disagree_by_hours(tmp_path: Path) -> None:
    made = of(one="proven")
    made["claims"][0]["when"] = ahead(hours=20)
    assert report.read(report.written(made, tmp_path)[0]) == made


def test_what_a_terminal_obeys_and_what_is_no_text_is_written_out(tmp_path: Path) -> None:
    made = of(one="proven")
    made["claims"][0]["detail"] = "\ud800\x1b[2J\u202e"
    path = tmp_path / "reality.json"
    path.write_text(json.dumps(made))
    assert report.read(path)["claims"][0]["detail"] == "\\ud800\\x1b[2J\\u202e"
    named = report.of_run([claim("\udcff")], {}, "real")
    assert report.read(report.written(named, tmp_path)[0])["claims"][0]["id"] == "data/\\xff"


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_of_a_site_becomes_a_part_of_the_page() -> None:
    results = {"data/one": result("differs", HOSTILE, detail=HOSTILE), "data/two": result("proven", HOSTILE)}
    hostile = [claim("one", HOSTILE), Claim("data/two", HOSTILE, HOSTILE, HOSTILE)]
    page = Tags()
    page.feed(report.render({**report.of_run(hostile, results, "real"), "machine": HOSTILE}))
    assert {tag for tag, _attributes in page.found}.isdisjoint({"script", "img"})
    assert not [key for _tag, attributes in page.found for key in attributes if key.startswith("on")]
    (policy,) = [one["content"] for tag, one in page.found if tag == "meta" and "http-equiv" in one]
    assert "default-src 'none'" in (policy or "")


def test_the_table_says_what_is_proven_when_and_on_what_or_never() -> None:
    results = {
        "data/one": result("proven", "https://a.example/x"),
        "data/two": result("proven", "Debian 12 | <b>", when="20261202T010000+0200", version="1.3.0"),
        "data/three": result("differs"),
    }
    claims = [claim("one"), claim("two"), claim("three"), claim("four", "GPUs"), claim("changed", "New")]
    made = report.of_run(claims, {**results, "data/changed": result("proven")}, "real")
    claims[-1] = replace(claims[-1], text="something else holds")
    assert report.table(made, claims).splitlines()[2:] == [
        "| Installers | 2 of 3; 1 otherwise | ` Debian 12 \\x7c <b> `, ` a.example ` "
        "| 2026-11-29 to 2026-12-01 | ` 1.2.0 `, ` 1.3.0 ` |",
        "| GPUs | never | | | |",
        "| New | never | | | |",
    ]


@pytest.mark.parametrize(
    ("on", "cell"),
    [
        ("https://ann:s3cr3t@images.corp.example:8443/x", "` images.corp.example `"),
        ("https://[::1", "` https://[::1 `"),
        ("www.evil.example @evil x@evil.example", "` www.evil.example @evil x@evil.example `"),
        ("a` `` | b\\|\x1b\u202e\nc", r"``` a` `` \x7c b\\x7c\x1b\u202e c ```"),
    ],
)
def test_no_text_of_others_is_more_than_text_in_the_table(on: str, cell: str) -> None:
    made = report.of_run([claim("one")], {"data/one": result("proven", on, version=on)}, "real")
    last = report.table(made, [claim("one")]).splitlines()[-1]
    assert last.split(" | ")[2] == cell
    assert last.count("|") == 6, "there are five cells, of which the last one is the version"


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """What is known when nothing is."""
    path = tmp_path / "known.json"
    path.write_text(json.dumps({**of(), "created": "2025-01-01T00:00:00+00:00"}))
    return path


def dated(made: report.Report, day: str) -> None:
    """Have a report, and all that it found, be of a day."""
    made["created"] = f"{day}T00:00:00+00:00"
    for row in made["claims"]:
        row["when"] = row["when"] and made["created"]


def test_later_reports_add_to_what_is_known(known: Path) -> None:
    claims = [claim(key) for key in ("one", "two", "three", "four", "five")]
    first = of(one="proven", two="proven", three="differs", gone="proven")
    second = of(one="differs", two="unreachable", three="skipped", four="never", five="proven")
    named = Claim("conda/case/old.sh/doctor", "conda", "old.sh: fine", "Conda")
    third = report.of_run([named], {named.id: result("proven")}, "real")
    for made, day in ((first, "2026-01-01"), (second, "2026-01-02"), (third, "2026-01-03")):
        dated(made, day)
    said = f"Kept in {known}: "
    assert report.kept([third, second], claims, known) == f"{said}2 proven, 1 differ"
    gone = "; left out, as their claims are gone or say something else by now: 1"
    assert report.kept([first], claims, known) == f"{said}2 proven, 1 differ{gone}"
    assert report.kept([], claims, known) == f"{said}0 proven, 0 differ"
    assert report.read(known)["created"] == third["created"]
    assert {row["id"]: row["state"] for row in report.read(known)["claims"]} == {
        "data/one": "differs",
        "data/two": "proven",
        "data/three": "differs",
        "data/five": "proven",
        named.id: "proven",
    }
    changed = [replace(claim("two"), text="something else holds")]
    assert report.kept([of(two="proven")], changed, known) == f"{said}0 proven, 0 differ{gone}"
    assert [row["id"] for row in report.read(known)["claims"]] == [named.id]


def test_what_is_known_survives_a_full_disk(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = known.read_text()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        report.kept([of(one="proven")], [claim("one")], known)
    assert (known.read_text(), list(known.parent.iterdir())) == (before, [known])


def test_a_report_of_the_lab_is_not_kept(known: Path) -> None:
    before = known.read_text()
    with pytest.raises(EvenkeelError, match="of the lab, which proves nothing"):
        report.kept([{**of(one="proven"), "world": "lab"}], [claim("one")], known)
    assert known.read_text() == before


def test_the_readme_keeps_what_is_around_its_table() -> None:
    text = f"before\n{report.BEGIN}old\n{report.END}after\n"
    assert report.in_readme(text, "new\n") == f"before\n{report.BEGIN}new\n{report.END}after\n"
    with pytest.raises(EvenkeelError, match="has no place for the table"):
        report.in_readme("no marks", "new\n")


def test_what_is_committed_is_a_report_of_the_real_world() -> None:
    known = report.read(report.COMMITTED)
    assert known["world"] == "real"
    assert {row["state"] for row in known["claims"]} <= {"proven", "differs"}
