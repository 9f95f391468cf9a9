# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests of a pytest run ended, by the file that ``--junitxml`` writes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from reality.claims import Result, SkippedError, differs, proven

PASSED, SKIPPED, FAILED, ERROR = "passed", "skipped", "failed", "error"
#: So many failures of a claim are named.
_FEW = 3


@dataclass(frozen=True)
class Row:
    """A test, as it ended."""

    #: Its folder and its name without ``test_``.
    file: str
    name: str
    #: What stands in brackets where a test has more cases.
    case: str
    ended: str
    #: Why it did not pass.
    why: str = ""

    def __str__(self) -> str:
        words = self.name.removeprefix("test_").replace("_", " ")
        return f"{self.file}, {words}" + (f" with {self.case}" if self.case else "")


def read(path: Path) -> tuple[list[Row], list[str]]:
    """Return all tests, and the properties of the suites; nothing where the run wrote no file."""
    if not path.exists():
        return [], []
    # The results are pytest's own.
    suites = ElementTree.parse(path).getroot()  # noqa: S314
    return list(map(_row, suites.iter("testcase"))), [one.get("value", "") for one in suites.iter("property")]


def _row(case: ElementTree.Element) -> Row:
    folder, _dot, module = case.get("classname", "").rpartition(".")
    file = f"{folder.rpartition('.')[2]}/{module.removeprefix('test_')}"
    name, _bracket, of = case.get("name", "").partition("[")
    ended, why = PASSED, ""
    for kind, word in (("failure", FAILED), ("error", ERROR), ("skipped", SKIPPED)):
        element = case.find(kind)
        if element is not None:
            ended, why = word, _reason(element)
    return Row(file, name, of.removesuffix("]"), ended, why)


def _reason(element: ElementTree.Element) -> str:
    """Return why a test did not pass; pytest shortens its own summary of it, but not the lines that begin with E."""
    said = re.findall(r"^E (.*)$", element.text or "", re.MULTILINE)
    return textwrap.dedent("\n".join(said)) or element.get("message", "")


def verdict(rows: Iterable[Row], pattern: str, on: str, detail: str = "") -> Result:
    """Return how the tests that are a claim's own ended together.

    Parameters
    ----------
    pattern
        What their file and name begin with, such as ``real/base test_the_solver``.

    Raises
    ------
    SkippedError
        None of them ran.
    """
    own = [row for row in rows if re.match(pattern, f"{row.file} {row.name}")]
    bad = [row for row in own if row.ended in (FAILED, ERROR)]
    if bad:
        more = [f"and {len(bad) - _FEW} more"] if len(bad) > _FEW else []
        return differs(on, "; ".join([*(f"{row}: {row.why}" for row in bad[:_FEW]), *more]))
    passed = sum(row.ended == PASSED for row in own)
    if not passed:
        raise SkippedError(own[0].why if own else "none of its tests ran")
    return proven(on, detail or f"{passed} tests")
