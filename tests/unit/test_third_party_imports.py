# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugins import the standard library, Ansible's public modules, PyYAML, and the rest only where it may be missing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import OF_PLAYBOOKS, PACKAGES

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
FILES = sorted(PLUGINS.rglob("*.py"))
#: ansible-core's public dependencies.
EVERYWHERE = {*sys.stdlib_module_names, "ansible", "ansible_collections", "jinja2", "yaml"}
#: A program that the node's own Python runs asks for them.
OF_THE_NODE = ("dnf", "hawkey", "libdnf")
WAYS_IN = {
    "action": ("_control.action", "Action"),
    "filter": ("_control.filters", "answering"),
    "lookup": ("_control.requirements", "require"),
}


def has_way_in(tree: ast.AST, module: str, name: str) -> bool:
    """Return whether a plugin imports a name from a module of this collection's."""
    return any(
        str(node.module).endswith(module) and name in [alias.name for alias in node.names]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    )


def imported(tree: ast.AST, guarded: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each module that is imported, and whether that may fail: in a function, or within the guard."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", guarded
        yield from imported(node, guarded or is_guard(node))


def is_guard(node: ast.AST) -> bool:
    """Whether what is imported within may be missing."""
    if isinstance(node, ast.With):
        return ast.unparse(node.items[0].context_expr) == "optional()"
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def faults(source: str) -> list[str]:
    """Return what a file imports that it may not, or not so."""
    found = []
    for name, guarded in imported(ast.parse(source)):
        if name.startswith(("ansible._internal", "ansible.module_utils._internal")):
            found.append(f"{name} is internal")
        elif EVERYWHERE.isdisjoint((name, name.partition(".")[0])):
            if not any(f"{name}.".startswith(f"{known}.") for known in (*PACKAGES, *OF_PLAYBOOKS, *OF_THE_NODE)):
                found.append(f"{name} is not among the collection's requirements")
            elif not guarded:
                found.append(f"{name} is imported without the guard")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_imports_of(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import ansible._internal._datatag", "ansible._internal._datatag is internal"),
        ("from ansible.module_utils._internal import x", "ansible.module_utils._internal is internal"),
        ("from packaging.version import Version", "packaging.version is imported without the guard"),
        ("def f():\n    import requests", "requests is not among the collection's requirements"),
        ("try:\n    import uv\nexcept ImportError:\n    uv = None", "uv is imported without the guard"),
    ],
)
def test_what_is_refused(source: str, fault: str) -> None:
    assert faults(source) == [fault]


def test_what_is_accepted() -> None:
    assert faults("with optional():\n    import uv\ndef f():\n    from rattler import solve\nimport yaml, json") == []


@pytest.mark.parametrize("kind", WAYS_IN)
def test_every_plugin_asks_whether_its_requirements_are_there(kind: str) -> None:
    files = list((PLUGINS / kind).glob("*.py"))
    assert files
    assert [path.name for path in files if not has_way_in(ast.parse(path.read_text()), *WAYS_IN[kind])] == []
