# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from maintenance import reality_issue
from maintenance.reality_issue import NOTHING, Report, Row

HOSTILE = "```\n</details><img src=x>\n@everyone #1 [x](javascript:1) \x1b[2J\u202e"


def row(state: str, detail: str = "", **changes: str) -> Row:
    fields = {"id": "data/key", "subject": "keys", "text": "The key is ABC.", "on": "a.example", **changes}
    return Row(state=state, detail=detail, **fields)


def report(*rows: Row) -> Report:
    return Report("2026-11-30T03:17:00+00:00", "0.2.0", {one.id: one for one in rows})


@pytest.mark.parametrize(
    ("committed", "found"),
    [
        (NOTHING, report()),
        (NOTHING, report(row("unreachable"), row("failed", id="c"), row("skipped", id="a"), row("never", id="b"))),
        (report(row("proven", "old")), report(row("proven", "new"))),
        (report(row("differs", "DEF")), report(row("differs", "DEF"))),
        (report(row("proven")), report(row("unreachable"))),
        (report(row("proven")), report()),
    ],
)
def test_what_is_no_news(committed: Report, found: Report) -> None:
    assert reality_issue.news(committed, found) == []
    assert " has found nothing that `docs/reality/reality.json` does not have. " in reality_issue.text(committed, found)


def test_what_has_no_answer_and_what_was_not_asked_is_counted() -> None:
    rows = [row(state, id=f"{part}/{state}") for part in ("data", "conda") for state in ("unreachable", "never")]
    found = report(*rows, row("never", id="nodes/a"), row("never", id="nodes/b"), row("proven", id="gpu/a"))
    for committed in (NOTHING, report(row("proven", id="gpu/a"))):
        said = reality_issue.text(committed, found).partition("### Without")[2].splitlines()
        assert said[2:] == [
            "- ` keys `: 2",
            "",
            "### Not asked",
            "",
            "- ` data `: 1 of 2",
            "- ` conda `: 1 of 2",
            "- ` nodes `: all of 2",
        ]


@pytest.mark.parametrize(
    ("committed", "found", "lines"),
    [
        (
            report(row("proven")),
            report(row("differs", "DEF")),
            ["### The world is otherwise", "", "- ` The key is ABC. ` on ` a.example `: ` DEF `"],
        ),
        (
            report(row("differs", "DEF")),
            report(row("differs", "GHI", on="")),
            ["### The world is otherwise", "", "- ` The key is ABC. `: ` GHI `"],
        ),
        (NOTHING, report(row("differs")), ["### The world is otherwise", "", "- ` The key is ABC. ` on ` a.example `"]),
        (
            report(row("differs", "DEF")),
            report(row("proven")),
            ["### Proven again", "", "- ` The key is ABC. ` on ` a.example `"],
        ),
        (
            report(row("proven", text="The key is OLD.")),
            report(row("proven")),
            ["### Proven for the first time", "", "- ` keys `: 1"],
        ),
        (
            NOTHING,
            report(
                row("proven"),
                row("proven", id="other"),
                row("unreachable", id="more", subject="installers"),
                row("failed", id="and more", subject="installers"),
            ),
            [
                "### Proven for the first time",
                "",
                "- ` keys `: 2",
                "",
                "### Without an answer",
                "",
                "- ` installers `: 2",
            ],
        ),
    ],
)
def test_what_is_not_committed_is_said(committed: Report, found: Report, lines: list[str]) -> None:
    head, _empty, *rest = reality_issue.text(committed, found).splitlines()
    assert head.startswith("A run of ` 2026-11-30T03:17:00+00:00 ` by version ` 0.2.0 ` has found what ")
    assert rest == lines


def test_what_the_world_says_is_no_markup() -> None:
    hostile = row("differs", HOSTILE, id=HOSTILE, subject=HOSTILE, text=HOSTILE, on=HOSTILE)
    more = row("proven", subject=HOSTILE)
    said = reality_issue.text(NOTHING, Report(HOSTILE, HOSTILE, {"a": hostile, "b": more}))
    spans = said.count("```` ``` </details><img src=x> @everyone #1 [x](javascript:1) \\x1b[2J\\u202e ````")
    assert spans == said.count("@everyone") == said.count("<img") == 6


def test_a_long_text_fits_into_an_issue() -> None:
    rows = [row("differs", "x" * 10_000, id=str(number)) for number in range(120)]
    said = reality_issue.text(NOTHING, report(*rows))
    assert len(said) < 65_536
    assert f"{'x' * reality_issue.LONGEST_DETAIL}… `" in said
    listed = said.count("The key is ABC.")
    assert said.endswith(f"The report of the run has {120 - listed} more lines.\n")


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "reality.json"
    rows = [{**vars(row("differs", "DEF")), "part": "data", "when": "", "version": "0.2.0", "seconds": 0.1}]
    whole = {"format": 1, "world": "real", "created": "2026-11-30", "version": "0.2.0", "claims": rows, **changes}
    path.write_text(json.dumps(whole))
    return path


def test_a_file_that_is_nested_too_deeply_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "reality.json").write_text("[" * 100_000)
    with pytest.raises(reality_issue.ReportError, match="is no report of a reality check: ValueError"):
        reality_issue.read(tmp_path / "reality.json")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"world": "lab"}, "is of the lab"),
        ({"format": 2}, "is of the form 2, and this version of Evenkeel reads 1"),
        ({"claims": [{"id": 1}]}, "is no report of a reality check: TypeError: 1 is no text"),
        ({"claims": None}, "is no report of a reality check"),
        ({"created": ["x"]}, "is no report of a reality check"),
    ],
)
def test_what_is_no_report_of_the_world_is_refused(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    assert reality_issue.read(written(tmp_path)).rows == {"data/key": row("differs", "DEF")}
    with pytest.raises(reality_issue.ReportError, match=error):
        reality_issue.read(written(tmp_path, **changes))


def test_parts_that_ran_on_machines_of_their_own_are_one_run(tmp_path: Path) -> None:
    def claims(*states: str) -> list[dict[str, str]]:
        return [vars(row(state, id=name)) for name, state in zip("abc", states, strict=True)]

    for part, states in {"data": ("proven", "never", "never"), "gpu": ("never", "differs", "never")}.items():
        (tmp_path / f"reality-{part}").mkdir()
        written(tmp_path / f"reality-{part}", claims=claims(*states), created=f"2026-11-30 {part}")
    (tmp_path / "lab").mkdir()
    written(tmp_path / "lab", world="lab")
    found = reality_issue.together(tmp_path)
    assert {key: one.state for key, one in found.rows.items()} == {"a": "proven", "b": "differs", "c": "never"}
    assert (found.created, found.version) == ("2026-11-30 gpu", "0.2.0")


def test_the_lack_of_a_report_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reality_issue, "COMMITTED", tmp_path / "none.json")
    monkeypatch.setattr(reality_issue, "FOUND", tmp_path)
    with pytest.raises(SystemExit, match=r"There is no reality.json in .*. Run make test-real."):
        reality_issue.main([])


GH = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
case "$*" in
"issue list"*) cat "$OPEN" ;;
*--body-file=-*) cat >"$BODY" ;;
esac
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gh that keeps what it is asked, and a place of reports."""
    monkeypatch.setattr(reality_issue, "COMMITTED", tmp_path / "none.json")
    monkeypatch.setattr(reality_issue, "FOUND", tmp_path)
    program = tmp_path / "gh"
    program.write_text(GH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("ASKED", "OPEN", "BODY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


LIST = "issue list --state=open --label=reality --json=number --limit=1"


@pytest.mark.parametrize(
    ("listed", "calls"),
    [
        (
            "[]",
            [
                LIST,
                "label create reality --force --description=Written by the reality check",
                f"issue create --title={reality_issue.TITLE} --label=reality --body-file=-",
            ],
        ),
        ('[{"number": 7}]', [LIST, "issue edit 7 --body-file=-"]),
    ],
)
def test_there_is_one_issue(asked: Path, listed: str, calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (asked / "OPEN").write_text(listed)
    written(asked)
    reality_issue.main(["--open", "https://run.example"])
    assert (asked / "ASKED").read_text().splitlines() == calls
    body = f"{capsys.readouterr().out}\nThe run, with the whole report: https://run.example\n"
    assert (asked / "BODY").read_text() == body
    assert "` DEF `" in body


@pytest.mark.parametrize(
    ("listed", "calls"), [("[]", [LIST]), ('[{"number": 7}]', [LIST, "issue edit 7 --body-file=-"])]
)
def test_without_news_an_open_issue_says_so_and_none_is_opened(
    asked: Path, listed: str, calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (asked / "OPEN").write_text(listed)
    written(asked, claims=[vars(row("unreachable"))])
    reality_issue.main(["--open", "https://run.example"])
    assert (asked / "ASKED").read_text().splitlines() == calls
    said = capsys.readouterr().out
    assert "has found nothing that" in said
    assert not (asked / "BODY").exists() or (asked / "BODY").read_text().startswith(said)
