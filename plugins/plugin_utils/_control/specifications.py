# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The argument specifications of this collection's roles and playbooks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

COLLECTION = Path(__file__).parents[3]
SPECIFICATION = Path("meta") / "argument_specs.yml"
#: The entry point of the roles' specifications. At another name Ansible would validate them, too, and show all of them.
ENTRY_POINT = "inputs"
#: The playbook whose inputs are those of all, since their roles read them.
SITE = "site"

#: Of each variable, what its specification says.
Options = dict[str, dict[str, Any]]


@cache
def of_role(path: Path) -> Options:
    """Return the inputs of the role in a directory.

    Raises
    ------
    EvenkeelError
        Its specification has no entry point for them.
    """
    specification = read_mapping(path / SPECIFICATION)["argument_specs"]
    if ENTRY_POINT not in specification:
        raise EvenkeelError(f"{path / SPECIFICATION} has no entry point {ENTRY_POINT}", "Describe the inputs there")
    options: Options = specification[ENTRY_POINT]["options"]
    return options


@cache
def of_roles() -> dict[str, Options]:
    """Return the inputs of each role of this collection."""
    found = sorted((COLLECTION / "roles").glob(f"*/{SPECIFICATION}"))
    return {path.parents[1].name: of_role(path.parents[1]) for path in found}


@cache
def of_playbooks() -> dict[str, Options]:
    """Return the inputs of each playbook of this collection."""
    specifications = read_mapping(COLLECTION / "playbooks" / SPECIFICATION)["argument_specs"]
    return {name: specification["options"] for name, specification in specifications.items()}
