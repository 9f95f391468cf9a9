# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's message names the module's option; a role's variable stands behind it, as ``(VARIABLE of the role)``.

Where there is no such option, it is ``VARIABLE of the role``. What users run on their own machines, too, calls none of
them a node.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
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


COLLECTION = "ansible_collections.evenkeel.gpu.plugins."


def reached(paths: Iterable[Path]) -> set[Path]:
    """Return files of plugins, and those that they import, directly or not."""
    found, left = set[Path](), [*paths]
    while left:
        path = left.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(COLLECTION):
                place = ROOT.joinpath("plugins", *str(node.module).removeprefix(COLLECTION).split("."))
                left += [place.with_suffix(".py"), *((place / name.name).with_suffix(".py") for name in node.names)]
    return found


ON_LAPTOPS = sorted(reached((ROOT / "plugins" / "plugin_utils" / "_local").glob("*.py")) & {*FILES})


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


@pytest.mark.parametrize("path", ON_LAPTOPS, ids=[str(path.relative_to(ROOT / "plugins")) for path in ON_LAPTOPS])
def test_messages_on_users_machines_call_none_a_node(path: Path) -> None:
    assert [text for text in texts(path.read_text()) if re.search(r"\b(the|this) node\b", text, re.IGNORECASE)] == []


def test_what_builds_environments_runs_on_users_machines() -> None:
    assert {"download.py", "environment_plan.py", "linking.py"} <= {path.name for path in ON_LAPTOPS}
