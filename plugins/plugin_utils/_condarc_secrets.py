# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Passwords and tokens in the URLs of conda's configuration."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "********"
_USER = re.compile(r"(?<=://)[^/\s]+(?=@)")
_TOKEN = re.compile(r"(?<=/t/)[^/\s\"',\]}]+")
#: What conda takes from the environment of whoever runs it is no secret.
_VARIABLES = re.compile(r"(\$\{?\w+\}?:?)+")


def masked(text: str) -> str:
    """Return ``text`` without the passwords and tokens of its URLs."""
    for pattern in (_USER, _TOKEN):
        text = pattern.sub(lambda found: found[0] if _VARIABLES.fullmatch(found[0]) else HIDDEN, text)
    return text


def masked_value(value: Any) -> Any:
    """Return a value of YAML without the passwords and tokens of its URLs."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [masked_value(one) for one in value]
    if isinstance(value, dict):
        return {masked(name): masked_value(one) for name, one in value.items()}
    return value


def has_secret(value: Any) -> bool:
    """Whether a value of YAML holds a password or a token."""
    return bool(masked_value(value) != value)
