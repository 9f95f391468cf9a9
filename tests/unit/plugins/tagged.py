# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as Ansible has them from an inventory: each of them knows the file and line that it comes from."""

from __future__ import annotations

from typing import Any

from ansible._internal._datatag._tags import Origin

ORIGIN = Origin(path="/inventory/group_vars/all.yml", line_num=1, col_num=1)


def tagged(value: Any) -> Any:
    """Return a value whose parts, and which itself, are tagged where Ansible would."""
    if isinstance(value, dict):
        return ORIGIN.try_tag({tagged(name): tagged(one) for name, one in value.items()})
    if isinstance(value, list):
        return ORIGIN.try_tag([tagged(one) for one in value])
    if isinstance(value, tuple):
        return ORIGIN.try_tag(tuple(tagged(one) for one in value))
    return ORIGIN.try_tag(value)
