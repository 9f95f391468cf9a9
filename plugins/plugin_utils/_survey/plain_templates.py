# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Texts whose templates are no more than a variable or a part of one, with or without a default.

Half of the roles' templates are, and Jinja takes a millisecond to compile one, in the process of each host.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ansible.template import is_trusted_as_template

#: The value of an option that is not given.
OMITTED: Final = object()
#: The value of a variable that may have templates of its own.
UNKNOWN: Final = object()
_MISSING: Final = object()

_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_CONSTANT = r"\d+|'[^'\\{}]*'|\[\]|\{\}"
_PLAIN = re.compile(rf"\{{\{{ ({_PATH})(?: \| default\((?:({_CONSTANT})|({_PATH}))(, true)?\))? \}}\}}")
#: Where a template begins.
BEGINNING = re.compile(r"\{[{%#]")
#: What Jinja has no variables for.
_WORDS = {"omit": OMITTED, "none": None, "true": True, "false": False}

#: Returns a variable's value or ``UNKNOWN``; raises ``KeyError`` for one that is not set.
Look = Callable[[str], Any]


def filled(value: Any, look: Look) -> Any:
    """Return a value with those of its templates replaced whose values are known; the others stay."""
    if isinstance(value, str):
        return _of_text(value, look)
    if isinstance(value, dict):
        return {name: found for name, one in value.items() if (found := filled(one, look)) is not OMITTED}
    if isinstance(value, list):
        return [found for one in value if (found := filled(one, look)) is not OMITTED]
    return value


def _of_text(text: str, look: Look) -> Any:
    if not is_trusted_as_template(text):
        return text
    alone = _PLAIN.fullmatch(text)
    if alone:
        found = _of_template(alone, look)
        return text if found is UNKNOWN else found
    # Jinja has a way of its own with line ends.
    if "{{" not in text or "\n" in text or BEGINNING.search(_PLAIN.sub("", text)):
        return text
    parts = [_of_template(template, look) for template in _PLAIN.finditer(text)]
    if not all(isinstance(part, str) for part in parts):
        return text
    remaining = iter(parts)
    return _PLAIN.sub(lambda _template: next(remaining), text)


def _of_template(template: re.Match[str], look: Look) -> Any:
    path, constant, other, of_nothing = template.groups()
    found = _at(path, look)
    if found is _MISSING or (of_nothing and found is not UNKNOWN and not found):
        found = ast.literal_eval(constant) if constant else _at(other, look) if other else UNKNOWN
    return UNKNOWN if found is _MISSING else found


def _at(path: str, look: Look) -> Any:
    if path in _WORDS:
        return _WORDS[path]
    name, *keys = path.split(".")
    try:
        value = look(name)
    except KeyError:
        return UNKNOWN if keys else _MISSING
    for key in keys:
        # Jinja prefers what an object has to what a mapping holds.
        if not isinstance(value, Mapping) or hasattr(value, key):
            return UNKNOWN
        if key not in value:
            return _MISSING
        value = value[key]
    return value
