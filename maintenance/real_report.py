# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what a run of ``make test-real`` has found as a page to read and to send: ``build/real/report.md``.

Usage: python -m maintenance.real_report build/real
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

RESULTS, REPORT = "results.xml", "report.md"


def rows(suites: ElementTree.Element) -> Iterator[tuple[str, str, str, str]]:
    """Yield for each test its file, its name in words, how it ended, and why where it did not pass."""
    for case in suites.iter("testcase"):
        file = case.get("classname", "").rpartition(".")[2].removeprefix("test_")
        words = case.get("name", "").removeprefix("test_").replace("_", " ")
        ended, why = "passed", ""
        for kind in ("failure", "error", "skipped"):
            found = case.find(kind)
            if found is not None:
                ended, why = kind.replace("failure", "failed"), found.get("message", "")
        yield file, words, ended, why


def page(suites: ElementTree.Element) -> str:
    """Return the page; what failed stands in full below the table."""
    found = list(rows(suites))
    counts = {ended: sum(row[2] == ended for row in found) for ended in ("passed", "failed", "error", "skipped")}
    lines = ["# Evenkeel with a real conda", ""]
    lines += [f"- {platform.platform()}, Python {platform.python_version()}"]
    lines += [f"- {entry.get('name')}: {entry.get('value')}" for entry in suites.iter("property")]
    lines += [f"- {', '.join(f'{count} {ended}' for ended, count in counts.items() if count) or 'no test ran'}", ""]
    lines += ["| file | what holds | ended |", "|---|---|---|"]
    lines += [f"| {file} | {words.replace('|', ' ')} | {ended} |" for file, words, ended, _why in found]
    for file, words, ended, why in found:
        if ended != "passed":
            lines += ["", f"## {ended}: {file}, {words}", "", *(f"    {line}" for line in why.splitlines()[:40])]
    return "\n".join(lines) + "\n"


def main(directory: Path) -> None:
    """Write the page beside the results."""
    # The results are pytest's own.
    suites = ElementTree.parse(directory / RESULTS).getroot()  # noqa: S314
    (directory / REPORT).write_text(page(suites))
    print(f"The report is {directory / REPORT}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
