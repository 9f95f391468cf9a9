# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole review: it keeps its schema, its page lets nothing in, and what fails is named."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import page, publish, report, summary
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisories
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.unit.plugins.plugin_utils._drift.test_page import HOSTILE, Tags
from tests.unit.plugins.plugin_utils._drift.test_schema import FORMATS

SCHEMA = json.loads((Path(page.__file__).with_name("report.schema.json")).read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FORMATS)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SITE = {"path": "/srv/site", "commit": "0" * 40, "branch": "main", "tag": None, "dirty": True, "note": ""}
NO_NODES = {"report": None, "created": None, "hosts": 0, "note": "There is none"}

Found = dict[str, Any]


def flaw(text: str = "jinja2") -> Found:
    return {
        "package": text,
        "distribution": text,
        "version": "3.1",
        "ids": ["CVE-1", text],
        "summary": text,
        "severity": text,
        "fixed": "",
        "known_by": "name",
        "ended_by_update": None,
    }


def lock(text: str = "ai-dev", state: str = "outdated", *, flaws: bool = True, undecided: bool = False) -> Found:
    undecidable = {"package": text, "distribution": text, "version": text, "id": text}
    said = {
        "vulnerabilities": [flaw(text)] if flaws else [],
        "undecided": [undecidable] if undecided else [],
        "by_name_alone": [text],
        "note": text,
        "uncovered": 3,
    }
    newer = {"name": text, "manager": "pip", "version": text, "newest": [{"where": text, "version": text}]}
    platform = {
        "count": 5,
        "changes": 2,
        "packages": [{**newer, "update": text}, {**newer, "update": None}, {**newer, "update": ""}],
        "unknown": [text],
        "advisories": said,
    }
    return {
        "name": text,
        "environment": f"/srv/{text}",
        "lock": {"path": text, "file": text, "sha256": None, "commit": None, "dirty": None},
        "state": state,
        "note": text,
        "diff": f"linux-64\n  - {text}\n  + {text}\n",
        "platforms": {"linux-64": platform},
    }


def review(*entries: Found, uses: Any = (), advisories: Advisories | None = None) -> Found:
    found = report.of_run(entries, uses, nodes=NO_NODES, advisories=advisories, site=SITE, created=NOW, seconds=1.23)
    VALIDATOR.validate(found)
    return found


USES = [
    ("Python", "3.9", "lock a"),
    ("Debian", "13", "node n1"),
    ("Python", "3.9", "lock b"),
    ("Ubuntu", "22.04", "node n2"),
    ("Slackware", "15", "node n3"),
]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"kind": "drift"}, {"locks": [{}]}, {"support": [{}]}, {"created": "x"}]
)
def test_what_breaks_it_is_found(change: Found) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**review(lock()), **change})


def test_the_most_urgent_comes_first() -> None:
    found = review(uses=USES)
    assert [(one["product"], one["state"], one["places"]) for one in found["support"]] == [
        ("Python", "ended", ["lock a", "lock b"]),
        ("Slackware", "unknown", ["node n3"]),
        ("Ubuntu", "ending", ["node n2"]),
        ("Debian", "supported", ["node n1"]),
    ]


def test_counts() -> None:
    entries = [lock(), lock("other", "current"), lock("third", "unknown", flaws=False)]
    malformed = Advisories(read=3, withdrawn=1, newest="2026-01-01T00:00:00Z", malformed={"a.json": "no JSON"})
    found = review(*entries, uses=USES, advisories=malformed)
    assert found["counts"] == {"ended": 1, "ending": 1, "vulnerable": 2, "outdated": 1, "unknown": 2}
    assert found["advisories"]["malformed"] == [{"file": "a.json", "why": "no JSON"}]


@pytest.mark.parametrize(
    ("entry", "kinds", "lines"),
    [
        (lock(), [], []),
        (lock(), ["vulnerable"], ["ai-dev has 1 known vulnerability"]),
        (lock(flaws=False), ["vulnerable"], []),
        (lock(flaws=False, undecided=True), ["vulnerable"], ["ai-dev may be vulnerable, which is unknown"]),
        ({**lock(), "platforms": {}}, ["vulnerable"], ["ai-dev may be vulnerable, which is unknown"]),
        (lock(), ["outdated"], ["ai-dev is outdated"]),
        (lock(state="current"), ["outdated"], []),
        (lock(state="unknown"), ["outdated"], ["ai-dev may be outdated, which is unknown"]),
        (lock(), ["eol"], ["Python 3.9 is past its end of life", "Slackware 15 is of unknown support"]),
    ],
)
def test_failures(entry: Found, kinds: list[str], lines: list[str]) -> None:
    assert report.failures(review(entry, uses=USES, advisories=Advisories(read=1, counted=1)), kinds) == lines


@pytest.mark.parametrize(
    ("advisories", "lines"),
    [
        (Advisories(), ["no advisory counts, so vulnerabilities are unknown"]),
        (Advisories(read=3), ["no advisory counts, so vulnerabilities are unknown"]),
        (
            Advisories(malformed={"all.zip": "half"}),
            ["no advisory counts, so vulnerabilities are unknown", "all.zip is malformed, so more may be vulnerable"],
        ),
        (
            Advisories(read=3, counted=3, malformed={"a.json": "no JSON", "b.json": "no JSON"}),
            ["a.json and 1 more are malformed, so more may be vulnerable"],
        ),
    ],
)
def test_what_advisories_do_not_say_is_unknown(advisories: Advisories, lines: list[str]) -> None:
    found = review(lock(flaws=False), advisories=advisories)
    assert report.failures(found, ["vulnerable"]) == lines
    assert report.failures(found, ["outdated"]) == ["ai-dev is outdated"]
    assert ("vulnerabilities unknown" in summary.last(found)) == (advisories.counted == 0)


def test_the_terminal_is_told_what_counts() -> None:
    found = review(lock(), {**lock("bare", "unknown"), "platforms": {}, "note": "It has no lock"}, uses=USES)
    assert summary.lines(found) == [
        "Python 3.9: ended, 2025-10 (lock a, lock b)",
        "Slackware 15: unknown (node n3)",
        "Ubuntu 22.04: ending, 2027-04-01 (node n2)",
        "lock ai-dev: outdated; an update changes 2 packages",
        "lock bare: unknown; It has no lock",
        "",
        "1 past the end of life, 1 near it, 1 outdated lock, vulnerabilities unknown, 2 unknown",
    ]
    assert "1 known vulnerability" in summary.lines(review(lock(), advisories=Advisories(counted=1)))[0]


@pytest.mark.parametrize(
    ("branch", "lines"),
    [
        ({"commit": "1" * 40, "locks": ["a"]}, ["branch updates, commit 111111111111: a"]),
        (
            {"commit": "1" * 40, "locks": ["a", "b"], "left": [{"lock": "c", "why": "Commit it first"}]},
            ["branch updates, commit 111111111111: a, b", "lock c: not on the branch; Commit it first"],
        ),
        ({"locks": ["a"]}, ["branch updates, not written: a"]),
        ({}, ["branch updates, not written: no lock"]),
    ],
)
def test_the_terminal_is_told_of_the_branch(branch: Found, lines: list[str]) -> None:
    found = {**review(), "branch": {"name": "updates", "commit": None, "locks": [], "left": [], **branch}}
    VALIDATOR.validate(found)
    assert summary.lines(found)[:-2] == lines


def full(text: str) -> Found:
    found = deepcopy(
        review(lock(text), uses=[("Python", text, text)] * 2, advisories=Advisories(malformed={text: text}))
    )
    found["branch"] = {"name": text, "commit": None, "locks": [text], "left": [{"lock": text, "why": text}]}
    VALIDATOR.validate(found)
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_an_element(text: str) -> None:
    plain, hostile = (Tags(page.render(full(word))) for word in ("plain", text))
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]
    assert [sorted(found) for _, found in hostile.found] == [sorted(found) for _, found in plain.found]


def test_the_page_runs_nothing_and_names_nothing_outside() -> None:
    tags = Tags(page.render(full("plain")))
    assert tags.of("script") == []
    assert "default-src 'none'" in str(tags.of("meta")[1]["content"])
    named = [value for _, found in tags.found for key, value in found.items() if key in ("src", "href", "action")]
    assert [value for value in named if not str(value).startswith(("#", "data:"))] == []


def test_every_table_and_section_has_a_name() -> None:
    tags = Tags(page.render(full("plain")))
    assert len(tags.of("caption")) == len(tags.of("table")) == 4
    identities = {found.get("id") for _, found in tags.found}
    assert {found["aria-labelledby"] for found in tags.of("section")} <= identities


def test_the_files_of_the_last_review_are_replaced(tmp_path: Path) -> None:
    target = publish.Target(tmp_path / "review", "0640")
    for seconds in (1.0, 2.0):
        target.require()
        published = publish.publish({**review(lock()), "seconds": seconds}, target)
    found = json.loads((tmp_path / "review" / "report.json").read_text())
    assert found["seconds"] == 2.0
    assert published.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "review" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("files", "mode", "words"),
    [
        ({"index.html": "<html>"}, "0600", "index.html is no review"),
        ({"report.json": '{"kind": "evenkeel drift report"}'}, "0600", "report.json is no review"),
        ({"report.json": "{"}, "0600", "report.json is no review"),
        ({}, "rw", "review_mode is 'rw'"),
    ],
)
def test_the_files_of_others_are_not(tmp_path: Path, files: dict[str, str], mode: str, words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(EvenkeelError, match=words):
        publish.Target(tmp_path, mode).require()


@pytest.mark.parametrize("below", ["", "review", "a/b"])
def test_a_folder_that_nobody_can_write_to_is_refused(
    tmp_path: Path, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _mode: Path(path) != tmp_path)
    with pytest.raises(EvenkeelError, match=f"{tmp_path} can't be written to.*review_directory"):
        publish.Target(tmp_path / below, "0640").require()


@pytest.mark.parametrize("below", ["file", "file/a", "link", "link/a"])
def test_what_is_no_folder_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(EvenkeelError, match=f"{tmp_path / Path(below).parts[0]} is no folder.*review_directory"):
        publish.Target(tmp_path / below, "0640").require()
