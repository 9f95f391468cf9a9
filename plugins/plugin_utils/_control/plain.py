# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Values as Python's own types: Ansible's carry where they come from, and YAML can't be written of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any


def plain(value: Any) -> Any:
    """Return a value without what Ansible adds to it; keys and dates are texts, as a module on a node gets them."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    return next((kind(value) for kind in (bool, int, float, str) if isinstance(value, kind)), value)
