# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories name only variables that exist, in comments too, and roles default to what they document."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "inventories").glob("*/group_vars/**/*.yml"))
SPECIFICATIONS = sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
PLAYBOOKS = yaml.safe_load((ROOT / "playbooks" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
#: Where variables are read: roles and playbooks, and on the control node what computes with a host's variables.
READERS = [
    *(path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*") if path.parent.name != "meta"),
    *(ROOT / "plugins" / "plugin_utils").rglob("*.py"),
]


def inputs(specification: Path) -> dict[str, Any]:
    """Return the inputs of a role, with what their specification says."""
    found: dict[str, Any] = yaml.safe_load(specification.read_text())["argument_specs"]["inputs"]["options"]
    return found


def known() -> set[str]:
    """Return every input of every role and playbook."""
    return set().union(*map(inputs, SPECIFICATIONS), *(playbook["options"] for playbook in PLAYBOOKS.values()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_exist(path: Path) -> None:
    named = set(re.findall(r"^(?:# )?([a-z][a-z0-9_]*):", path.read_text(), re.MULTILINE))
    assert named
    assert named <= known()


@pytest.mark.parametrize("spec", SPECIFICATIONS, ids=lambda path: path.parts[-3])
def test_defaults_are_documented_and_documented_defaults_are_set(spec: Path) -> None:
    options = inputs(spec)
    defaults = yaml.safe_load((spec.parents[1] / "defaults" / "main.yml").read_text())
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults


def test_every_variable_is_read() -> None:
    files = [path for path in READERS if path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts]
    text = "\n".join(re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE) for path in files)
    uses = Counter(re.findall(r"\w+", text))
    definitions = Counter(re.findall(r"(?:^|register: )([a-z_]\w+)(?::|$)", text, re.MULTILINE))
    # Names that are put together: of __client_ and what follows, and of a role's name.
    composed = {
        "__client_list",
        "__client_door",
        "__client_tokens",
        *(f"__{path.parts[-3]}_checks" for path in SPECIFICATIONS),
    }
    names = {*known(), *definitions} - composed
    assert [name for name in sorted(names) if uses[name] <= definitions[name]] == []
