# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Text of nodes, users, packages and mirrors, made safe to show at a terminal and to send as JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

#: What a file name has for a byte that is not UTF-8 (PEP 383), and every other lone surrogate; JSON has no form for it.
SURROGATES = re.compile("[\ud800-\udfff]")
#: These, all control characters but tab and line feed, and what changes the order or the end of a line.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def sanitise(text: str) -> str:
    r"""Return a text with what a terminal would obey, and what is no text, written out as ``\x1b`` or ``\u202e``.

    What is written out stays as it is, so a second time changes nothing.
    """
    return UNSAFE.sub(_written_out, text) if UNSAFE.search(text) else text


def sanitised(value: Any, verbatim: Collection[str] = ()) -> Any:
    """Return a value of JSON with each of its texts sanitised, names of keys too.

    Parameters
    ----------
    verbatim
        Keys, at any depth, of data for programs: of it only that changes which JSON can't hold.
    """
    return _mapped(value, UNSAFE, verbatim)


def in_one_line(text: str) -> str:
    """Return a text sanitised and in one line, so that it can't be taken for several messages."""
    return " ".join(sanitise(text).split("\n"))


def _mapped(value: Any, unsafe: re.Pattern[str], verbatim: Collection[str]) -> Any:
    if isinstance(value, str):
        return unsafe.sub(_written_out, value) if unsafe.search(value) else value
    if isinstance(value, Mapping):
        return {
            _mapped(key, unsafe, ()): _mapped(item, SURROGATES if key in verbatim else unsafe, verbatim)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_mapped(item, unsafe, verbatim) for item in value]
    return value


def _written_out(found: re.Match[str]) -> str:
    code = ord(found.group())
    if 0xDC80 <= code <= 0xDCFF:
        return "\\x%02x" % (code - 0xDC00)
    return ("\\x%02x" if code < 0x80 else "\\u%04x") % code
