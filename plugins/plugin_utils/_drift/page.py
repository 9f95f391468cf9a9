# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The drift report as one HTML page that needs nothing else, and that runs and loads nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import alike, states
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

PLACE = Path(__file__).parent

#: Each state differs in its mark, not in its colour alone.
MARKS: Mapping[str, str] = dict(zip(states.ORDER, "=≠?✕", strict=True))

#: As many hosts that are alike stand in one row of the matrix until it is opened.
FOLDED = 4

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def render(report: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """Return a drift report as a page.

    Parameters
    ----------
    report
        As report.schema.json describes it.
    history
        Earlier reports in any order, whole or with no more than ``created`` and, by host, ``state`` and ``digest``.
    """
    style, script = ((PLACE / name).read_text() for name in ("page.css", "page.js"))
    reports = _in_order(report, history)
    page = _template().render(
        report=report,
        groups=alike.groups(report),
        ages=lambda names: _ages(report, names),
        reports=stretches((one["created"], {"counts": _counts(one)}) for one in reports),
        data={**shared(report), "marks": MARKS, "timelines": timelines(report["hosts"], reports)},
        pending=[name for name, host in report["hosts"].items() if host["reboot"] or host["restarts"]],
        marks=MARKS,
        folded=FOLDED,
        style=style,
        script=script,
        policy=policy(style, script),
    )
    return page.encode("utf-8", "replace").decode()  # half a surrogate pair can be in JSON, and not in a file


@functools.cache
def _template() -> Template:
    return templates(PLACE).get_template("page.html.j2")


def templates(*places: Path) -> Environment:
    """Return the templates of folders, in which no text becomes HTML and nothing is undefined."""
    environment = Environment(
        loader=FileSystemLoader(places),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # ASCII, in the report's order
    environment.filters.update(day=_day, fragment=fragment)
    return environment


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy under which this style sheet and this script are all that the page uses."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",  # the icon
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def fragment(host: str, layer: str = "") -> str:
    """Return the end of the page's URL that opens a host, or a layer of it."""
    return "#" + urlencode({"host": host, **({"at": layer} if layer else {})}, quote_via=quote, errors="replace")


def shared(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report with each layer that several hosts have alike once, in ``contents``, and its place there."""
    contents: dict[str, tuple[int, Any]] = {}

    def place(layer: Mapping[str, Any]) -> int:
        return contents.setdefault(json.dumps(layer), (len(contents), layer))[0]

    hosts = {
        name: {**host, "layers": {key: place(layer) for key, layer in host["layers"].items()}}
        for name, host in report["hosts"].items()
    }
    return {**report, "hosts": hosts, "contents": [layer for _number, layer in contents.values()]}


def timelines(hosts: Iterable[str], reports: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return of each host the stretches of reports in which its ``state`` and its ``digest`` stay the same."""
    seen: dict[str, list[tuple[str, dict[str, Any]]]] = {name: [] for name in hosts}
    for report in reports:
        for name in seen.keys() & report["hosts"].keys():
            seen[name].append((report["created"], {key: report["hosts"][name][key] for key in ("state", "digest")}))
    return {name: stretches(of_host) for name, of_host in seen.items()}


def stretches(dated: Iterable[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return what reports in a row have alike, each with the dates ``first`` and ``last`` and how many ``reports``.

    Parameters
    ----------
    dated
        The date of each report and what is compared, oldest first.
    """
    found: list[dict[str, Any]] = []
    for what, alike_ones in itertools.groupby(dated, key=lambda one: one[1]):
        dates = [date for date, _what in alike_ones]
        found.append({**what, "first": dates[0], "last": dates[-1], "reports": len(dates)})
    return found


def _in_order(report: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return all reports, each once, the one that is shown last."""
    earlier = {one["created"]: one for one in history if _moment(one["created"]) < _moment(report["created"])}
    return [*sorted(earlier.values(), key=lambda one: _moment(one["created"])), report]


def _counts(report: Mapping[str, Any]) -> dict[str, int]:
    return states.counts(host["state"] for host in report["hosts"].values())


def _ages(report: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return for how long hosts have differed, such as ``new``, ``3 d`` or ``new to 3 d``."""
    dates = {since for name in names if (since := report["hosts"][name]["since"])}
    ages = dict.fromkeys(_age(date, report["created"]) for date in sorted(dates, key=_moment, reverse=True))
    return " to ".join(list(ages)[:: max(1, len(ages) - 1)])


def _age(since: str, now: str) -> str:
    seconds = (_moment(now) - _moment(since)).total_seconds()
    return next((f"{seconds // length:.0f} {unit}" for length, unit in _UNITS if seconds >= length), "new")


def _day(moment: str) -> str:
    return _moment(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
