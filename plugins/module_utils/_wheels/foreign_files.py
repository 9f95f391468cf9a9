# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files that a build wrote or that a store came with: what they are is verified before they are used."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

#: The most that a JSON file may have.
JSON_BYTES = 1 << 20
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+!-]{0,246}\.whl")


def is_wheel_name(name: object) -> bool:
    """Return whether ``name`` is the name of a wheel's file, without a directory.

    >>> is_wheel_name("tool-1.0-py3-none-any.whl"), is_wheel_name("../tool.whl"), is_wheel_name(None)
    (True, False, False)
    """
    return isinstance(name, str) and bool(_WHEEL.fullmatch(name))


def is_regular(path: Path) -> bool:
    """Return whether a file is there, and is neither a link nor a device, a pipe or a directory."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a regular file of at most ``JSON_BYTES``.

    Raises
    ------
    OSError
        It can't be opened, or is a link.
    ValueError
        It is something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = stream.read(JSON_BYTES + 1)
    if len(content) > JSON_BYTES:
        raise ValueError(f"it has more than {JSON_BYTES} bytes")
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found
