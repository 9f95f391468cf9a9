# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a value keeps report.schema.json: as much of JSON Schema as that uses, for where no library knows it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import is_moment

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
_SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))


def breach(value: Any, rule: Mapping[str, Any] = _SCHEMA, place: str = "") -> str | None:
    """Return the place of what breaks the schema, such as ``hosts.gpu1.state``; None where nothing does."""
    if "$ref" in rule:
        rule = _SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]]
    if not _keeps(value, rule):
        return place
    for key, item in value.items() if isinstance(value, dict) else ():
        inner = rule.get("properties", {}).get(key, rule.get("additionalProperties"))
        if inner is not None:
            found = breach(item, inner, f"{place}.{key}" if place else key)
            if found is not None:
                return found
    for number, item in enumerate(value) if isinstance(value, list) and "items" in rule else ():
        found = breach(item, rule["items"], f"{place}.{number}")
        if found is not None:
            return found
    return None


def _keeps(value: Any, rule: Mapping[str, Any]) -> bool:
    """Whether a value keeps a rule, apart from what is in it."""
    types = rule.get("type", ())
    return (
        (not types or any(_is(value, one) for one in ([types] if isinstance(types, str) else types)))
        and ("const" not in rule or (value == rule["const"] and not isinstance(value, bool)))
        and ("enum" not in rule or value in rule["enum"])
        and ("anyOf" not in rule or any(breach(value, one) is None for one in rule["anyOf"]))
        and (not isinstance(value, dict) or value.keys() >= set(rule.get("required", ())))
        and (not isinstance(value, dict) or len(value) >= rule.get("minProperties", 0))
        and (not isinstance(value, str) or re.search(rule.get("pattern", ""), value) is not None)
        and (not isinstance(value, str) or rule.get("format") != "date-time" or is_moment(value))
        and (value is None or "minimum" not in rule or value >= rule["minimum"])
    )


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name]) and not (isinstance(value, float) and not math.isfinite(value))
