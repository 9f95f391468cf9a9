# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What changes in locks, as text and as Markdown for a comment. What packages are called is never markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Union

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import in_markdown
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import lock_changes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock

#: A lock, or why it can't be read.
Found = Union[Lock, EvenkeelError]
#: GitHub takes 65,536 characters; the rest is for what is around them.
LONGEST = 60_000
_MORE = "and %d more lines, which evenkeel lock diff shows"
#: Digits of a digest that are shown.
_DIGITS = 12


@dataclass(frozen=True)
class Changed:
    """A lock that comes, goes or changes."""

    name: str
    lines: tuple[str, ...]
    #: Of each platform before and after; empty where there is none.
    digests: Mapping[str, tuple[str, str]]


def between(before: Mapping[str, Found], after: Mapping[str, Found]) -> list[Changed]:
    """Return the locks that differ, by name; pure.

    Raises
    ------
    EvenkeelError
        A lock can't be read any more. Where only the one before can't, that is one of the changes.
    """
    return list(_between(before, after))


def _between(before: Mapping[str, Found], after: Mapping[str, Found]) -> Iterator[Changed]:
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if isinstance(now, EvenkeelError):
            raise now
        known = None if isinstance(was, EvenkeelError) else was
        lines = lock_changes.lines(known, now)
        if isinstance(was, EvenkeelError):
            lines = ["not known before: %s" % was.what, *lines]
        if lines:
            old, new = _digests(known), _digests(now)
            both = {one: (old.get(one, ""), new.get(one, "")) for one in sorted(old.keys() | new.keys())}
            yield Changed(name, tuple(lines), both)


def _digests(lock: Lock | None) -> dict[str, str]:
    return {platform: digest(found, lock.variables) for platform, found in lock.packages.items()} if lock else {}


def text(changed: Iterable[Changed]) -> list[str]:
    """Return lines for a terminal."""
    return [line for one in changed for line in (one.name, *("  %s" % line for line in one.lines))]


def markdown(changed: Iterable[Changed], longest: int = LONGEST) -> str:
    """Return Markdown of about so many characters at most; empty where nothing changes."""
    found = list(changed)
    parts: list[str] = []
    for one in found:
        part = _markdown(one, longest // len(found))
        if sum(map(len, (*parts, part))) > longest:
            parts.append("\nand %d more locks, which evenkeel lock diff shows\n" % (len(found) - len(parts)))
            break
        parts.append(part)
    return "".join(["### Locked packages that change\n", *parts]) if parts else ""


def _markdown(one: Changed, room: int) -> str:
    digests = "".join(
        "- %s: digest %s → %s\n" % (platform, *(each[:_DIGITS] or "none" for each in both))
        for platform, both in one.digests.items()
    )
    name = in_markdown.code(one.name)
    # Only what begins with the sign is coloured.
    lines = [in_one_line(line.strip()) for line in one.lines]
    fence = in_markdown.fence("\n".join(lines))
    form = "\n%s\n\n%s\n%sdiff\n%s\n%s\n"
    lines = _shortened(lines, room - len(form % (name, digests, fence, _MORE % len(lines), fence)))
    return form % (name, digests, fence, "\n".join(lines), fence)


def _shortened(lines: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return [*kept, _MORE % (len(lines) - len(kept))]
        kept.append(line)
    return kept
