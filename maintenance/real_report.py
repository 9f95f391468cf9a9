# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what a run of ``make test-real`` has found as a page to read and to send: ``build/real/report.md``.

Usage: python -m maintenance.real_report build/real
"""

from __future__ import annotations

import platform
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

RESULTS, REPORT = "results.xml", "report.md"
#: How many cases a line of the checklist names.
MOST_NAMED = 4
PASSED, SKIPPED, FAILED, ERROR, NOT_RUN = "passed", "skipped", "failed", "error", "not run"
#: What the lab can't show: how a line is called, which tests are its own (file, name, and installer or conda), and what
#: to give to a run that has none of them.
CHECKLIST = (
    ("base with Python 3.13", "base .*-py313_", "an installer whose name has py313_"),
    ("base with Python 3.14", "base .*-py314_", "an installer whose name has py314_"),
    ("base of Miniforge", "base .*Miniforge3-", "an installer of Miniforge"),
    ("the solver libmamba", "base test_the_solver_is_libmamba", "an installer"),
    ("the plugin for terms of service", "base test_the_plugin_for_terms_of_service", "an installer of Miniconda"),
    ("`conda init`", "base test_what_conda_init_writes", "an installer"),
    ("`conda doctor`", r"\w+ test_doctor", "a conda or an installer"),
    ("records of both installers", "environments test_records", "a conda or an installer"),
    ("`conda env export --from-history`", "environments test_an_export_from_history", "a conda or an installer"),
    ("`conda create --clone`", "environments test_a_clone", "a conda or an installer"),
    ("variables and scripts of activation", "environments test_a_variable", "a conda or an installer"),
    ("the recorded calls of conda", "(recordings|command_line) ", "a conda (EVENKEEL_CONDA)"),
)


@dataclass(frozen=True)
class Row:
    """A test, as it ended."""

    file: str
    name: str
    #: The installer or the conda, and more where a test has more cases.
    case: str
    ended: str
    #: Why it did not pass.
    why: str = ""

    @property
    def words(self) -> str:
        """Its name for a reader."""
        return self.name.removeprefix("test_").replace("_", " ")

    def __str__(self) -> str:
        return f"{self.file}, {self.words}" + (f" with {self.case}" if self.case else "")


def rows(suites: ElementTree.Element) -> list[Row]:
    """Return all tests."""
    found = []
    for case in suites.iter("testcase"):
        file = case.get("classname", "").rpartition(".")[2].removeprefix("test_")
        name, _bracket, of = case.get("name", "").partition("[")
        ended, why = PASSED, ""
        for kind, word in (("failure", FAILED), ("error", ERROR), ("skipped", SKIPPED)):
            element = case.find(kind)
            if element is not None:
                ended, why = word, reason(element)
        found.append(Row(file, name, of.removesuffix("]"), ended, why))
    return found


def reason(element: ElementTree.Element) -> str:
    """Return why a test did not pass; pytest shortens its own summary of it, but not the lines that begin with E."""
    said = re.findall(r"^E (.*)$", element.text or "", re.MULTILINE)
    return textwrap.dedent("\n".join(said)) or element.get("message", "")


def line(what: str, pattern: str, needed: str, found: Iterable[Row]) -> str:
    """Return a line of the checklist: how its tests ended together."""
    own = [row for row in found if re.match(pattern, f"{row.file} {row.name} {row.case}")]
    endings = {row.ended for row in own}
    ended = next((word for word in (ERROR, FAILED, PASSED) if word in endings), NOT_RUN)
    if ended == NOT_RUN:
        note = next((row.why for row in own if row.ended == SKIPPED), f"Name {needed}")
    else:
        cases = list(dict.fromkeys(row.case or row.words for row in own if row.ended == ended))
        more = [f"{len(cases) - MOST_NAMED} more"] if len(cases) > MOST_NAMED else []
        note = ", ".join([*cases[:MOST_NAMED], *more])
    return f"| {what} | {ended} | {cell(note)} |"


def cell(text: str) -> str:
    """Return ``text`` as a table can have it."""
    return " ".join(text.replace("|", "\\|").split())


def page(suites: ElementTree.Element) -> str:
    """Return the page; what failed stands in full below the table."""
    found = rows(suites)
    counts = Counter(row.ended for row in found)
    summary = ", ".join(f"{counts[ended]} {ended}" for ended in (PASSED, FAILED, ERROR, SKIPPED) if counts[ended])
    lines = ["# Evenkeel with a real conda", ""]
    lines += [f"- {platform.platform()}, Python {platform.python_version()}"]
    lines += [f"- {entry.get('name')}: {entry.get('value')}" for entry in suites.iter("property")]
    lines += [f"- {summary or 'no test ran'}", ""]
    lines += ["| what the lab can't show | ended | with |", "|---|---|---|"]
    lines += [line(*entry, found) for entry in CHECKLIST]
    lines += ["", "## All tests", "", "| file | what holds | with | ended |", "|---|---|---|---|"]
    lines += [f"| {row.file} | {row.words} | {cell(row.case)} | {row.ended} |" for row in found]
    others: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        if row.ended != PASSED:
            others.setdefault((row.ended, row.why), []).append(row)
    for (ended, why), own in others.items():
        lines += ["", f"## {ended}: {own[0]}", "", *(f"    {text}".rstrip() for text in why.splitlines()[:40])]
        if own[1:]:
            lines += ["", "The same:", "", *(f"- {row}" for row in own[1:])]
    return "\n".join(lines) + "\n"


def main(directory: Path) -> None:
    """Write the page beside the results."""
    # The results are pytest's own.
    suites = ElementTree.parse(directory / RESULTS).getroot()  # noqa: S314
    (directory / REPORT).write_text(page(suites))
    print(f"The report is {directory / REPORT}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
