# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What an operator lists has the keys and types that the role's specification describes, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs, specifications

VARIABLE = "package_mirror_copy"
_ROLE = specifications.COLLECTION / "roles" / "package_mirror"
#: By key, what each of its values is, which no specification of Ansible's can describe.
_VALUES: dict[str, dict[str, Any]] = {
    "packages": {"type": "list", "elements": "str"},
    "repositories": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"required": True, "description": "The path on the mirror"},
            "suite": {},
            "components": {"type": "list", "elements": "str"},
            "key": {},
            "key_member": {},
        },
    },
}
_INSTALLER: dict[str, Any] = {
    "type": "dict",
    "options": {
        "distribution": {"required": True, "description": "Miniconda or miniforge"},
        "version": {},
        "architecture": {},
        "sha256": {},
    },
}


def require_right(asked: Any, variable: str) -> None:
    """Refuse unknown keys and wrong types.

    Parameters
    ----------
    variable
        Where the operator has listed it.

    Raises
    ------
    EvenkeelError
        All that is wrong.
    """
    option = {"required": True, **specifications.of_role(_ROLE)[VARIABLE]}
    wrong = inputs.problems({variable: option}, {variable: asked}) or list(_wrong_values(asked, variable))
    if wrong:
        raise EvenkeelError(" ".join(wrong), "Nothing was fetched")


def _wrong_values(asked: Mapping[str, Any], variable: str) -> Iterator[str]:
    for key, option in _VALUES.items():
        for distribution, value in (asked.get(key) or {}).items():
            name = f"{variable}.{key}[{distribution}]"
            yield from inputs.problems({name: option}, {name: value})
    for number, value in enumerate(asked.get("installers") or ()):
        if not isinstance(value, str):
            name = f"{variable}.installers[{number}]"
            yield from inputs.problems({name: _INSTALLER}, {name: value})
