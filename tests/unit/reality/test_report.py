# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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


def of(**states: str) -> report.Report:
    """Return a report of claims with these states; those that are ``never`` have no result."""
    results = {f"data/{key}": result(state) for key, state in states.items() if state != "never"}
    return report.of_run(map(claim, states), results, "real")


def test_a_report_keeps_its_schema_and_is_read_again(tmp_path: Path) -> None:
    made = of(one="proven", two="differs", three="unreachable", four="skipped", five="never")
    jsonschema.validate(made, SCHEMA)
    data, page = report.written(made, tmp_path)
    assert report.read(data) == made
    assert "1 of 5 claims are proven, 1 differ" in page.read_text()
    assert without_paths(made["machine"]) == made["machine"], "it names no machine, person or folder"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: made.update(format=2), "is of the form 2, and this version of Evenkeel reads 1"),
        (lambda made: made.update(kind="evenkeel review"), "is no report of a reality check: kind"),
        (lambda made: made["claims"][0].update(state="fine"), r"is no report of a reality check: claims\.0\.state"),
        (lambda made: made["claims"][0].update(when="today"), r"claims\.0\.when"),
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
    path.write_text("<html>")
    with pytest.raises(EvenkeelError, match="can't be read"):
        report.read(path)


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
        "data/two": result("proven", "Debian 12 | <b>", when="2026-12-02T00:00:00+00:00", version="1.3.0"),
        "data/three": result("differs"),
    }
    claims = [claim("one"), claim("two"), claim("three"), claim("four", "GPUs"), claim("changed", "New")]
    made = report.of_run(claims, {**results, "data/changed": result("proven")}, "real")
    claims[-1] = replace(claims[-1], text="something else holds")
    assert report.table(made, claims).splitlines()[2:] == [
        "| Installers | 2 of 3; 1 otherwise | Debian 12 \\| &lt;b&gt;, a.example "
        "| 2026-11-29 to 2026-12-02 | 1.2.0, 1.3.0 |",
        "| GPUs | never | | | |",
        "| New | never | | | |",
    ]


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """What is known when nothing is."""
    path = tmp_path / "known.json"
    path.write_text(json.dumps(of()))
    return path


def test_later_reports_add_to_what_is_known(known: Path) -> None:
    claims = [claim(key) for key in ("one", "two", "three", "four", "five")]
    first = of(one="proven", two="proven", three="differs", gone="proven")
    second = of(one="differs", two="unreachable", three="skipped", four="never", five="proven")
    named = Claim("conda/case/old.sh/doctor", "conda", "old.sh: fine", "Conda")
    third = report.of_run([named], {named.id: result("proven")}, "real")
    for made, moment in ((first, "2026-01-01"), (second, "2026-01-02"), (third, "2026-01-03")):
        made["created"] = f"{moment}T00:00:00+00:00"
    report.kept([third, second, first], claims, known)
    report.kept([], claims, known)
    assert {row["id"]: row["state"] for row in report.read(known)["claims"]} == {
        "data/one": "differs",
        "data/two": "proven",
        "data/three": "differs",
        "data/five": "proven",
        named.id: "proven",
    }
    report.kept([of()], [replace(claim("two"), text="something else holds")], known)
    assert [row["id"] for row in report.read(known)["claims"]] == [named.id]


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
