# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Passwords and tokens in the values of conda's configuration."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked


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
