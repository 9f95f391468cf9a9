# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Values out of JSON that somebody else has written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

#: How deep lists and objects may be in each other: what goes through a value calls itself for each.
_MOST_NESTED = 100


def json_of(content: bytes | str) -> Any:
    """Return what a text of JSON means.

    Raises
    ------
    ValueError
        It is no JSON, which has neither NaN nor infinite numbers, or is nested too deeply.
    """
    try:
        found = json.loads(content, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    level = [found]
    for _depth in range(_MOST_NESTED):
        level = [item for one in level if isinstance(one, (dict, list)) for item in _items(one)]
    if level:
        raise ValueError("it is nested too deeply")
    return found


def is_moment(text: Any) -> bool:
    """Whether a text is a date and a time with its zone."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.tzinfo is not None and moment.astimezone(timezone.utc) is not None  # noqa: UP017 - also for 3.9
    except (TypeError, ValueError, OverflowError):
        return False


def _items(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number
