# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The differences that modules return, as one text in the unified form."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

#: Of a longer one, the beginning is reported, in characters.
MOST = 32_768
_LONGEST_LINE = 1_000
#: difflib's time grows with the square of the lines.
_MOST_LINES = 4_000


def text_of(diff: Any) -> str:
    """Return a module's ``diff``, a mapping or several, as a text; empty where nothing differs."""
    parts = diff if isinstance(diff, list | tuple) else [diff]
    return _bounded("".join(_part(part) for part in parts if isinstance(part, Mapping)))


def _part(part: Mapping[str, Any]) -> str:
    if part.get("prepared"):
        return str(part["prepared"]).rstrip("\n") + "\n"
    before, after = _lines(part.get("before")), _lines(part.get("after"))
    if max(len(before), len(after)) > _MOST_LINES:
        return f"{part.get('after_header') or 'after'}: {len(before)} lines become {len(after)}\n"
    old, new = (str(part.get(f"{which}_header") or which) for which in ("before", "after"))
    lines = difflib.unified_diff(before, after, old, new, lineterm="")
    return "".join(f"{line[:_LONGEST_LINE]}\n" for line in lines)


def _lines(side: Any) -> list[str]:
    if side is None:
        return []
    text = side if isinstance(side, str) else json.dumps(side, indent=2, sort_keys=True, default=str)
    return text.splitlines()


def _bounded(text: str) -> str:
    if len(text) <= MOST:
        return text
    kept = text[:MOST].rpartition("\n")[0]
    left = text.count("\n") - kept.count("\n") - 1
    return f"{kept}\n... {left} more lines\n"
