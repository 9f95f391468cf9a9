# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Names of many nodes in one line, as Slurm writes them: ``gpu[001-200,301],login1``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: More names than this are a mistake in a number.
MOST = 65536
_NAME = re.compile(r"(?:[A-Za-z0-9._-]|\[[0-9,-]+\])+")
_RANGE = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?")


def expanded(text: str) -> list[str]:
    """Return the names that a line means, in its order.

    Raises
    ------
    EvenkeelError
        It is not in Slurm's spelling, or means too many names.
    """
    names: list[str] = []
    for part in re.split(r",(?![^\[]*\])", text.strip()):
        if not _NAME.fullmatch(part):
            raise _wrong(text, f"{part!r} is neither a name nor one with ranges")
        names += _names(text, part)
        if len(names) > MOST:
            raise _wrong(text, f"it means more than {MOST} names")
    return list(dict.fromkeys(names))


def _names(text: str, part: str) -> Iterator[str]:
    pieces = [
        _numbers(text, piece[1:-1]) if piece.startswith("[") else [piece]
        for piece in re.findall(r"\[[^]]*\]|[^\[]+", part)
    ]
    total = 1
    for piece in pieces:
        total *= len(piece)
    if total > MOST:
        raise _wrong(text, f"it means more than {MOST} names")
    return map("".join, itertools.product(*pieces))


def _numbers(text: str, ranges: str) -> list[str]:
    """Return the numbers of ``001-003,7``; leading zeros stay."""
    found: list[str] = []
    for one in ranges.split(","):
        bounds = _RANGE.fullmatch(one)
        first, last = (bounds[1], bounds[2] or bounds[1]) if bounds else ("1", "0")
        if int(last) < int(first) or int(last) - int(first) >= MOST:
            raise _wrong(text, f"{one!r} is no range from a smaller to a larger number")
        found += [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return found


def _wrong(text: str, why: str) -> EvenkeelError:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return EvenkeelError(
        f"The list of nodes {shown!r} can't be read: {why}", "Write it as Slurm does: gpu[001-200,301],login1"
    )
