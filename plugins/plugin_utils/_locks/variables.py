# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which variables an environment may set: shells evaluate what conda writes of them."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_name(name: object) -> bool:
    """Return whether a shell takes it for the name of a variable."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_value(value: object) -> bool:
    """Return whether a variable can have it."""
    return isinstance(value, str) and "\0" not in value
