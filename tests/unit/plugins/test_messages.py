# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's message names the module's option; a role's variable stands behind it, as ``(VARIABLE of the role)``.

Where there is no such option, it is ``VARIABLE of the role``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
VARIABLES = {
    name
    for specifications in ROOT.glob("roles/*/meta/argument_specs.yml")
    for entry in yaml.safe_load(specifications.read_text())["argument_specs"].values()
    for name in entry["options"]
}
NAMED = re.compile(rf"\b({'|'.join(sorted(VARIABLES))})\b(?! of the role)")
BEHIND_AN_OPTION = re.compile(r"\([^()]*of the role\)")
#: The program of a node that pulls, which is no module and has its settings from the role.
OF_PROGRAM = {f"_pull/{name}.py" for name in ("agent", "delivery", "repository", "settings")}
MODULE_UTILS = ROOT / "plugins" / "module_utils"
FILES = sorted(path for path in MODULE_UTILS.rglob("*.py") if str(path.relative_to(MODULE_UTILS)) not in OF_PROGRAM)


def texts(source: str) -> Iterator[str]:
    """Yield the texts of a program, without its docstrings and the parts of its data that are names alone."""
    tree = ast.parse(source)
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone and " " in node.value:
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT / "plugins")) for path in FILES])
def test_messages_of_modules_name_options(path: Path) -> None:
    assert [text for text in texts(path.read_text()) if NAMED.search(BEHIND_AN_OPTION.sub("", text))] == []


def test_a_variable_alone_is_found() -> None:
    assert NAMED.search("Set jupyter_socket_group to one of the node's")
    assert not NAMED.search(BEHIND_AN_OPTION.sub("", "Set socket_group (jupyter_socket_group of the role)"))
