# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How Debian's and RPM's package managers order versions; both libraries may be absent where a copy is made."""

from __future__ import annotations

import re
from itertools import zip_longest

_RPM_PARTS = re.compile(r"\d+|[A-Za-z]+|~|\^")


def compare_debian(one: str, other: str) -> int:
    """Return below, at or above 0 as the first version is older, equal or newer.

    >>> compare_debian("1.0~rc1-1", "1.0-1") < 0, compare_debian("1:0.5", "2.0") > 0, compare_debian("1.0", "1.0-0")
    (True, True, 0)
    """
    first, second = _debian_parts(one), _debian_parts(other)
    if first[0] != second[0]:
        return -1 if first[0] < second[0] else 1
    return _debian_part(first[1], second[1]) or _debian_part(first[2], second[2])


def _number(digits: str) -> tuple[int, str]:
    """Return what numbers of any length are ordered by; Python's own have at most some thousand digits."""
    significant = digits.lstrip("0")
    return len(significant), significant


def _debian_parts(version: str) -> tuple[tuple[int, str], str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return _number(epoch), upstream if dash else revision, revision if dash else ""


def _debian_part(one: str, other: str) -> int:
    while one or other:
        text, one = _split(one, r"\D*")
        other_text, other = _split(other, r"\D*")
        for mine, theirs in zip_longest(text, other_text, fillvalue=""):
            difference = _debian_order(mine) - _debian_order(theirs)
            if difference:
                return difference
        number, one = _split(one, r"\d*")
        other_number, other = _split(other, r"\d*")
        if _number(number) != _number(other_number):
            return -1 if _number(number) < _number(other_number) else 1
    return 0


def _debian_order(character: str) -> int:
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256


def _split(text: str, pattern: str) -> tuple[str, str]:
    found = re.match(pattern, text, re.ASCII)
    end = found.end() if found else 0
    return text[:end], text[end:]


def compare_rpm(one: str, other: str) -> int:
    """Return below, at or above 0 as the first ``[EPOCH:]VERSION[-RELEASE]`` is older, equal or newer.

    A version without a release is equal to one with any, as in a package's requirements.

    >>> compare_rpm("1.10-1", "1.9-5") > 0, compare_rpm("1.0~rc1", "1.0") < 0, compare_rpm("2:1-1", "2:1")
    (True, True, 0)
    """
    first, second = _rpm_parts(one), _rpm_parts(other)
    if first[0] != second[0]:
        return -1 if first[0] < second[0] else 1
    found = _rpm_part(first[1], second[1])
    return found if found or not first[2] or not second[2] else _rpm_part(first[2], second[2])


def _rpm_parts(version: str) -> tuple[tuple[int, str], str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", rest if colon else version
    number, dash, release = rest.rpartition("-")
    return _number(epoch), number if dash else release, release if dash else ""


def _rpm_part(one: str, other: str) -> int:
    parts = zip_longest(_RPM_PARTS.findall(one), _RPM_PARTS.findall(other), fillvalue="")
    for mine, theirs in parts:
        if mine == theirs:
            continue
        if "~" in (mine, theirs):
            return -1 if mine == "~" else 1
        if "^" in (mine, theirs):
            # After the end, it is newer; before anything else, older.
            return (1 if not theirs else -1) if mine == "^" else (-1 if not mine else 1)
        if not mine or not theirs:
            return 1 if mine else -1
        if mine.isdigit() and theirs.isdigit():
            if _number(mine) != _number(theirs):
                return -1 if _number(mine) < _number(theirs) else 1
            continue
        if mine.isdigit() != theirs.isdigit():
            return 1 if mine.isdigit() else -1
        return -1 if mine < theirs else 1
    return 0
