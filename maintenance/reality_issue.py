# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what a reality check has found that the committed report lacks, as the text of an issue.

python -m maintenance.reality_issue                 print the text
python -m maintenance.reality_issue --open URL      also update the one issue, by gh, or open it where there is
                                                    something new; URL is of the run

The committed report is docs/reality/reality.json. Those of the run are build/reality/reality.json, or, where its parts
ran on machines of their own, build/reality/reality-*/reality.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.in_markdown import code
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of

ROOT = Path(__file__).parents[1]
NAME = "reality.json"
COMMITTED, FOUND = ROOT / "docs" / "reality" / NAME, ROOT / "build" / "reality"
LABEL, TITLE = "reality", "The reality check differs from what is committed"
#: The version of the reports' form.
FORMAT = 1
#: GitHub takes 65,536 characters.
LONGEST, LONGEST_DETAIL = 60_000, 500
_NAMED = "`docs/reality/reality.json`"
_FIELDS = ("id", "subject", "text", "state", "on", "detail")


class ReportError(Exception):
    """A report can't be used."""


@dataclass(frozen=True)
class Row:
    """A claim, and what came of it."""

    id: str
    subject: str
    text: str
    state: str
    on: str
    detail: str


@dataclass(frozen=True)
class Report:
    """A run's report, or the committed one."""

    created: str
    version: str
    rows: Mapping[str, Row]


NOTHING = Report("", "", {})


def together(folder: Path) -> Report:
    """Return the reports of a run as one.

    Raises
    ------
    ReportError
        There is none, or one can't be used.
    """
    paths = sorted([*folder.glob(NAME), *folder.glob(f"reality-*/{NAME}")])
    if not paths:
        raise ReportError(f"There is no {NAME} in {folder}. Run make test-real.")
    reports = [read(path) for path in paths]
    rows: dict[str, Row] = {}
    for report in reports:
        rows |= {key: row for key, row in report.rows.items() if row.state != "never" or key not in rows}
    return Report(max(one.created for one in reports), reports[0].version, rows)


def read(path: Path) -> Report:
    """Return a report.

    Raises
    ------
    ReportError
        It is none, of a newer version, or of the lab.
    """
    try:
        found = json_of(path.read_bytes())
        rows = [Row(*(_text(one[name]) for name in _FIELDS)) for one in found["claims"]]
        report = Report(_text(found["created"]), _text(found["version"]), {row.id: row for row in rows})
        version, world = found["format"], found["world"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path} is no report of a reality check: {type(error).__name__}: {error}") from None
    if version != FORMAT:
        raise ReportError(f"{path} is of the form {version}, and this version of Evenkeel reads {FORMAT}.")
    if world != "real":
        raise ReportError(f"{path} is of the lab, which proves nothing. Run without REALITY=lab.")
    return report


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def news(committed: Report, found: Report) -> list[Row]:
    """Return what the run has found that is not committed."""
    known = _known(committed, found)
    return [row for row in found.rows.values() if _is_new(row, known.get(row.id))]


def text(committed: Report, found: Report) -> str:
    """Return the issue's text."""
    known, rows = _known(committed, found), news(committed, found)
    otherwise = [row for row in rows if row.state == "differs"]
    again = [row for row in rows if row.state == "proven" and row.id in known]
    first = [row for row in rows if row.state == "proven" and row.id not in known]
    silent = [row for row in found.rows.values() if row.state in ("unreachable", "failed")]
    run = f"A run of {code(found.created)} by version {code(found.version)} has found"
    if rows:
        head = f"{run} what {_NAMED} does not have. `docs/reality.md` says what to do with a difference.\n"
    else:
        head = (
            f"{run} nothing that {_NAMED} does not have. What an earlier run has found is repaired, or has no answer "
            "now. Once it is repaired, close this issue.\n"
        )
    parts = [
        _listed("The world is otherwise", otherwise),
        _listed("Proven again", again),
        _counted("Proven for the first time", first),
        _counted("Without an answer", silent),
        _section("Not asked", list(_not_asked(found))),
    ]
    return _shortened(head + "".join(parts))


def _known(committed: Report, found: Report) -> Mapping[str, Row]:
    """Return what is committed of what was asked; of a claim that says something else by now, nothing is known."""
    return {key: row for key, row in committed.rows.items() if key in found.rows and row.text == found.rows[key].text}


def _not_asked(found: Report) -> Iterator[str]:
    """Yield of each part how many of its claims have no result, as of one whose machine failed or ran out of time."""
    never = Counter(_part(row) for row in found.rows.values() if row.state == "never")
    every = Counter(_part(row) for row in found.rows.values())
    for part, count in never.items():
        yield f"- {code(part)}: " + (f"all of {count}" if count == every[part] else f"{count} of {every[part]}")


def _part(row: Row) -> str:
    return row.id.partition("/")[0]


def _is_new(row: Row, known: Row | None) -> bool:
    if row.state == "differs":
        return known is None or (known.state, known.detail) != (row.state, row.detail)
    return row.state == "proven" and (known is None or known.state != "proven")


def _listed(title: str, rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        place = f" on {code(row.on)}" if row.on else ""
        detail = f": {code(_cut(row.detail))}" if row.detail else ""
        lines.append(f"- {code(row.text)}{place}{detail}")
    return _section(title, lines)


def _counted(title: str, rows: Iterable[Row]) -> str:
    return _section(
        title, [f"- {code(subject)}: {count}" for subject, count in Counter(row.subject for row in rows).items()]
    )


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join(["", f"### {title}", "", *lines, ""]) if lines else ""


def _cut(detail: str) -> str:
    return detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]}…"


def _shortened(whole: str) -> str:
    if len(whole) <= LONGEST:
        return whole
    kept = whole[:LONGEST].rpartition("\n")[0]
    left = len(whole.splitlines()) - len(kept.splitlines())
    return f"{kept}\n\nThe report of the run has {left} more lines.\n"


def put(body: str, run: str, *, is_new: bool) -> None:
    """Have the text in the one issue that is open, or in a new one. Who repairs what differs closes it."""
    listed = json.loads(_gh("issue", "list", "--state=open", f"--label={LABEL}", "--json=number", "--limit=1"))
    whole = f"{body}\nThe run, with the whole report: {run}\n"
    if listed:
        _gh("issue", "edit", str(int(listed[0]["number"])), "--body-file=-", given=whole)
    elif is_new:
        _gh("label", "create", LABEL, "--force", "--description=Written by the reality check")
        _gh("issue", "create", f"--title={TITLE}", f"--label={LABEL}", "--body-file=-", given=whole)


def _gh(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["gh", *arguments], check=True, input=given, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the text, and put it to use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open", metavar="URL")
    given = parser.parse_args(arguments)
    try:
        committed, found = read(COMMITTED) if COMMITTED.exists() else NOTHING, together(FOUND)
    except ReportError as error:
        sys.exit(str(error))
    body = text(committed, found)
    print(body, end="")
    if given.open:
        put(body, given.open, is_new=bool(news(committed, found)))


if __name__ == "__main__":
    main()
