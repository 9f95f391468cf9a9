# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Text as systemd's unit files and unit names take it."""

from __future__ import annotations

import re

_NOT_IN_A_NAME = re.compile(rb"[^A-Za-z0-9:_.-]")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@+-]*")


def escape(text: str) -> str:
    """Return a text as the name of a template unit's instance."""
    escaped = _NOT_IN_A_NAME.sub(lambda found: b"\\x%02x" % ord(found.group()), _bytes(text))
    return escaped.decode("ascii")


def unescape(instance: str) -> str:
    """Return the text that ``escape`` made ``instance`` of."""
    found = _ESCAPED.sub(lambda match: bytes.fromhex(match.group(1).decode()), _bytes(instance))
    return found.decode("utf-8", "surrogateescape")


def value(text: str) -> str:
    """Return a text as the whole value of a setting."""
    return text.replace("%", "%%")


def word(text: str) -> str:
    """Return a text as one item of a setting that takes several."""
    if _PLAIN.fullmatch(text):
        return text
    return '"%s"' % value(text).replace("\\", "\\\\").replace('"', '\\"')


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
