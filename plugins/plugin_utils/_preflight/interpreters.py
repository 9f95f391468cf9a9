# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which Pythons Ansible looks for on a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.template import Templar

#: What stands for an interpreter that Ansible finds by itself.
_AUTOMATIC = ("", "auto", "auto_silent", "auto_legacy", "auto_legacy_silent")


def configured(task_vars: Mapping[str, Any], templar: Templar) -> str:
    """Return the interpreter that is named for the host; empty where Ansible finds one by itself."""
    value = task_vars.get("ansible_python_interpreter") or _setting("INTERPRETER_PYTHON", task_vars)
    name = str(templar.template(value) or "")
    return "" if name in _AUTOMATIC else name


def looked_for(task_vars: Mapping[str, Any]) -> list[str]:
    """Return the names under which Ansible looks for a Python, best first."""
    return list(_setting("INTERPRETER_PYTHON_FALLBACK", task_vars))


def _setting(name: str, task_vars: Mapping[str, Any]) -> Any:
    return constants.config.get_config_value(name, variables=task_vars)
