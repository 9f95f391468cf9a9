# SPDX-License-Identifier: GPL-3.0-or-later
"""What Evenkeel claims about the world, and what came of asking the world."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

PROVEN, DIFFERS, UNREACHABLE, FAILED, SKIPPED = STATES = ("proven", "differs", "unreachable", "failed", "skipped")
#: Of a claim without a result.
NEVER = "never"
#: The second word of a claim's id that exists only while somebody names an image, a conda, an installer or an
#: environment of their own; it proves nothing of those that Evenkeel knows.
OWN = "case"


@dataclass(frozen=True)
class Claim:
    """Something that Evenkeel takes for true."""

    #: Unique, and the same in every run: ``part/subject/what``, or ``part/case/name/...`` with the name of a thing of
    #: somebody's own, which names no host and no person.
    id: str
    part: str
    #: A sentence that a reader can agree to.
    text: str
    #: The kind of claim, a row of the README's table.
    subject: str

    def is_like(self, pattern: str) -> bool:
        """Return whether its id is like a pattern, as of file names, whatever the case of letters."""
        return fnmatchcase(self.id.lower(), pattern.lower())


@dataclass(frozen=True)
class Result:
    """What came of a claim."""

    state: str
    #: What it was asked of: a site, an image, a GPU.
    on: str = ""
    detail: str = ""
    #: The moment in UTC, the version of Evenkeel, and how long it took; the runner fills these in.
    when: str = ""
    version: str = ""
    seconds: float = 0.0


class SkippedError(Exception):
    """This machine or this run can't ask; its text says why, and what would change that."""


class OutOfTimeError(Exception):
    """The part's time is over, or the run was interrupted; the claim stays without a result."""


def proven(on: str, detail: str = "") -> Result:
    """Return that a claim holds."""
    return Result(PROVEN, on, detail)


def differs(on: str, detail: str) -> Result:
    """Return that the world is otherwise."""
    return Result(DIFFERS, on, detail)


def judged(on: str, problems: list[str], detail: str = "") -> Result:
    """Return that a claim holds, or all the ways in which it does not."""
    return differs(on, "; ".join(problems)) if problems else proven(on, detail)
