# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""JSON objects as people have written them: members come and go, and the rest of the text stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)
_EMPTY = re.compile(r"\s*\{\s*\}\s*")
_OURS = " " * 4


class _Member(NamedTuple):
    """A member of an object, and where in the text it begins, its value begins, and both end."""

    key: str
    begin: int
    value: int
    end: int


def with_member(text: str, path: Sequence[str], value: Any) -> str:
    """Return the text of an object with a member at a path, unless one is there; objects on the way are made.

    Parameters
    ----------
    text
        Valid JSON, without a key that is there twice.
    path
        The keys that lead to the member.
    """
    start = _after_space(text, 0)
    for depth, key in enumerate(path, 1):
        members = _members(text, start)
        found = next((one for one in members if one.key == key), None)
        if found is None:
            for missing in reversed(path[depth:]):
                value = {missing: value}
            return _inserted(text, start, members, depth, key, value)
        start = found.value
    return text


def without_member(text: str, path: Sequence[str]) -> str:
    """Return the text of an object without the member at a path, nor the objects on the way that have no other."""
    start = _after_space(text, 0)
    way: list[tuple[int, list[_Member], int]] = []
    for key in path:
        members = _members(text, start)
        place = next((number for number, one in enumerate(members) if one.key == key), None)
        if place is None:
            return text
        way.append((start, members, place))
        start = members[place].value
    start, members, place = next((one for one in reversed(way) if len(one[1]) > 1), way[0])
    if place:
        begin, end = members[place - 1].end, members[place].end
    elif len(members) > 1:
        begin, end = members[0].begin, members[1].begin
    else:
        begin, end = start + 1, _after_space(text, members[0].end)
    return text[:begin] + text[end:]


def _inserted(text: str, start: int, members: Sequence[_Member], depth: int, key: str, value: Any) -> str:
    """Return the text with another last member of the object that begins at ``start``."""
    indented = _INDENT.search(text)
    step = indented[1] if indented else _OURS if _EMPTY.fullmatch(text) else ""
    line = "\n" + step * depth if step else ""
    member = "%s: %s" % (json.dumps(key), json.dumps(value, indent=step or None).replace("\n", line))
    if members:
        end = members[-1].end
        return text[:end] + "," + (line or " ") + member + text[end:]
    close = _after_space(text, start + 1)
    return text[: start + 1] + line + member + line[: len(line) - len(step)] + text[close:]


def _members(text: str, start: int) -> list[_Member]:
    """Return the members of the object that begins at ``start``."""
    found: list[_Member] = []
    place = _after_space(text, start + 1)
    while text[place] != "}":
        begin = _after_space(text, place + 1) if found else place
        key, end = _DECODER.raw_decode(text, begin)
        value = _after_space(text, _after_space(text, end) + 1)
        end = _DECODER.raw_decode(text, value)[1]
        found.append(_Member(key, begin, value, end))
        place = _after_space(text, end)
    return found


def _after_space(text: str, place: int) -> int:
    return _SPACE.match(text, place).end()  # type: ignore[union-attr]
