# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proven on the real thing: as data, as a page, and as the README's table."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_all_atomically, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.in_markdown import code
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page as drift
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.schema import breach

from reality.claims import DIFFERS, FAILED, NEVER, OWN, PROVEN, SKIPPED, STATES, UNREACHABLE, Claim, Result
from reality.world import ROOT

KIND = "evenkeel reality"
#: The version of the report's form.
FORMAT = 1
JSON, PAGE = "reality.json", "reality.html"
#: What is known of the project as it is in git.
COMMITTED = ROOT / "docs" / "reality" / JSON
README = ROOT / "README.md"
BEGIN, END = "<!-- reality: written by make docs -->\n", "<!-- /reality -->\n"
#: Of each state the class of the drift report's mark and the sign in it.
MARKS: Mapping[str, tuple[str, str]] = {
    PROVEN: ("equal", "="),
    DIFFERS: ("drifted", "≠"),
    UNREACHABLE: ("unreachable", "✕"),
    FAILED: ("unreachable", "!"),
    SKIPPED: ("unknown", "·"),
    NEVER: ("unknown", "?"),
}

_PLACE = Path(__file__).parent
#: Named, not imported: the code of reviews takes all of Ansible, which wants a home.
_REVIEW_STYLE = drift.PLACE.parent / "_review" / "page.css"
_SCHEMA: dict[str, Any] = json.loads((_PLACE / "report.schema.json").read_text(encoding="utf-8"))
#: So many things that a claim was proven on are named in a cell.
_FEW = 3
_SETTLED = (PROVEN, DIFFERS)
#: By how much clocks of machines may disagree.
_TOLERANCE = timedelta(days=1)

Report = dict[str, Any]


def of_run(claims: Iterable[Claim], results: Mapping[str, Result], world: str) -> Report:
    """Return the report of a run, with the claims that have no result."""
    rows = [_row(claim, results.get(claim.id, Result(NEVER))) for claim in claims]
    return {
        "kind": KIND,
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": own_version(),
        "world": world,
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
        "claims": rows,
    }


def _row(claim: Claim, result: Result) -> dict[str, Any]:
    return dict(sanitised({**asdict(claim), **asdict(result)}))


def read(path: Path) -> Report:
    """Return a report.

    Raises
    ------
    EvenkeelError
        It is none, or of a newer version, or does not say when something was found.
    """
    try:
        found = json_of(path.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise EvenkeelError(f"{path} can't be read: {why}", f"Name a {JSON}") from None
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise EvenkeelError(
            f"{path} is of the form {version}, and this version of Evenkeel reads {FORMAT}",
            "Use the version that wrote it, or a newer one",
        )
    place = breach(found, _SCHEMA)
    if place is not None:
        raise EvenkeelError(f"{path} is no report of a reality check: {place or 'all of it'}", f"Name a {JSON}")
    _require_moments(found, path)
    return dict(sanitised(found))


def _require_moments(report: Report, path: Path) -> None:
    """Refuse a report from the future, and results without a time: the newest of several reports is what counts."""
    moments = [(path.name, report["created"])]
    moments += [(row["id"], row["when"]) for row in report["claims"] if row["state"] in _SETTLED]
    for name, moment in moments:
        if not moment:
            raise EvenkeelError(f"{path} does not say when {name} was found", "Take the report as the run wrote it")
        if datetime.fromisoformat(moment) > datetime.now(UTC) + _TOLERANCE:
            raise EvenkeelError(f"{path} is from the future: {name} is of {moment}", "Set the clocks, and run it again")


def written(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write a report and its page."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / JSON, folder / PAGE
    write_all_atomically([(str(data), _text(report)), (str(page), render(report))])
    return data, page


def merged(reports: Sequence[Report], claims: Iterable[Claim]) -> Report:
    """Return the newest report with the newest result of each claim, whichever report has it.

    Parameters
    ----------
    claims
        All that there are. What is known of a claim that says something else by now, or that is gone, goes; what was
        asked of somebody's own stays.

    Raises
    ------
    EvenkeelError
        One is of the lab, which proves nothing.
    """
    if any(one["world"] != "real" for one in reports):
        raise EvenkeelError("The report is of the lab, which proves nothing", "Run without REALITY=lab")
    texts = _texts(claims)
    rows: dict[str, dict[str, Any]] = {}
    for row in (row for one in reports for row in one["claims"]):
        if row["state"] in _SETTLED and _is_claimed(row, texts):
            rows[row["id"]] = max(rows.get(row["id"], row), row, key=_found)
    return {**max(reports, key=lambda one: datetime.fromisoformat(one["created"])), "claims": list(rows.values())}


def _texts(claims: Iterable[Claim]) -> dict[str, str]:
    return {claim.id: claim.text for claim in claims}


def _is_claimed(row: Mapping[str, Any], texts: Mapping[str, str]) -> bool:
    return texts.get(row["id"]) == row["text"] or str(row["id"]).split("/")[1:2] == [OWN]


def _found(row: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(row["when"]).astimezone(UTC)


def kept(news: Sequence[Report], claims: Sequence[Claim], path: Path) -> str:
    """Merge reports into what is known, and say what became of their results."""
    write_atomically(str(path), _text(merged([read(path), *news], claims)))
    texts = _texts(claims)
    rows = {row["id"]: row for one in news for row in one["claims"] if row["state"] in _SETTLED}
    states = Counter(row["state"] if _is_claimed(row, texts) else NEVER for row in rows.values())
    said = f"Kept in {path}: {states[PROVEN]} proven, {states[DIFFERS]} differ"
    gone = f"; left out, as their claims are gone or say something else by now: {states[NEVER]}"
    return said + (gone if states[NEVER] else "")


def _text(report: Report) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def table(report: Report, claims: Iterable[Claim]) -> str:
    """Return the README's table: of each kind of claim, how many there are, and what of them is proven."""
    subjects: dict[str, dict[str, str]] = {}
    for claim in claims:
        subjects.setdefault(claim.subject, {})[claim.id] = claim.text
    lines = ["| Claims about | Proven | On | When | With version |", "|---|---|---|---|---|"]
    for subject, texts in subjects.items():
        # What was proven of a claim that says something else by now is no proof.
        rows = [row for row in report["claims"] if texts.get(row["id"]) == row["text"]]
        proven = [row for row in rows if row["state"] == PROVEN]
        odd = sum(row["state"] == DIFFERS for row in rows)
        said = f"{len(proven)} of {len(texts)}" if proven else NEVER
        said += f"; {odd} otherwise" if odd else ""
        days = sorted({f"{_found(row):%Y-%m-%d}" for row in proven})
        cells = (
            subject,
            said,
            _some(_site(row["on"]) for row in proven),
            " to ".join(days[:: max(1, len(days) - 1)]),
            _some(row["version"] for row in proven),
        )
        lines.append("|" + "|".join(f" {text} " if text else " " for text in cells) + "|")
    return "\n".join(lines) + "\n"


def _some(texts: Iterable[str]) -> str:
    found = sorted({text for text in texts if text})
    more = [f"{len(found) - _FEW} more"] if len(found) > _FEW else []
    # Within a table, a bar ends a cell even in code.
    return ", ".join([*(code(text.replace("|", r"\x7c")) for text in found[:_FEW]), *more])


def _site(on: str) -> str:
    """Return the host of a URL, without a login; else the text as it is."""
    try:
        return urlsplit(on).hostname or on
    except ValueError:
        return on


def in_readme(text: str, new: str) -> str:
    """Return the README with the table between its two marks.

    Raises
    ------
    EvenkeelError
        It has no such marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise EvenkeelError(f"{README} has no place for the table", f"Write {BEGIN.strip()} and {END.strip()} into it")
    return before + begin + new + end + after


def render(report: Report) -> str:
    """Return a report as a page, in the look of the drift report; it runs no script and loads nothing."""
    parts: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in report["claims"]:
        parts.setdefault(row["part"], {}).setdefault(row["subject"], []).append(row)
    style = "".join(path.read_text() for path in (drift.PLACE / "page.css", _REVIEW_STYLE))
    page = (
        drift.templates(_PLACE, drift.PLACE)
        .get_template("reality.html.j2")
        .render(
            report=report,
            parts=parts,
            counts=Counter(row["state"] for row in report["claims"]),
            states=(*STATES, NEVER),
            marks=MARKS,
            style=style,
            policy=drift.policy(style, ""),
        )
    )
    return page.encode("utf-8", "replace").decode()
