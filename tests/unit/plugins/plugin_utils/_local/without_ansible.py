# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands as programs of a machine that has no Ansible."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

#: Reports on standard error what was tried to be imported of Ansible, and the files of all that was imported.
PROGRAM = """
import importlib.abc, sys
tried = []
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "ansible" or name.startswith("ansible."):
            tried.append(name)
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import command, lock_command
status = {"env": command, "lock": lock_command}[sys.argv[1]].main(sys.argv[1:])
files = [getattr(one, "__file__", None) or "" for one in list(sys.modules.values())]
print(tried, *files, sep="\\n", file=sys.stderr)
sys.exit(status)
"""
COLLECTIONS = Path(__file__).parents[5] / "collections"
_PROGRAM = ("env", f"PYTHONPATH={COLLECTIONS}", sys.executable, "-c", PROGRAM)
COMMAND = (*_PROGRAM, "env")


def evenkeel(*arguments: object, command: str = "env") -> subprocess.CompletedProcess[str]:
    """Run one to its end."""
    return subprocess.run([*_PROGRAM, command, *map(str, arguments)], capture_output=True, text=True, check=False)


def imported(done: subprocess.CompletedProcess[str]) -> set[Path]:
    """Return the files of this collection that a run has imported; requires that it tried none of Ansible's."""
    tried, *files = done.stderr.splitlines()
    assert tried == "[]"
    return {Path(file) for file in files if "/ansible_collections/" in file}


def texts(files: Iterable[Path]) -> list[str]:
    """Return the texts of files that are no documentation."""
    parsed = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    documentation = {id(node.value) for node in parsed if isinstance(node, ast.Expr)}
    constants = (node for node in parsed if isinstance(node, ast.Constant) and id(node) not in documentation)
    return [node.value for node in constants if isinstance(node.value, str)]


def newer_than_3_9(files: Iterable[Path]) -> dict[str, list[str]]:
    """Return what Python 3.9 does not know of files, by their names."""
    parsed = {file: ast.walk(ast.parse(file.read_text(), feature_version=(3, 9))) for file in files}
    newer = {str(file): list(filter(None, map(_newer_than_3_9, nodes))) for file, nodes in parsed.items()}
    return {file: found for file, found in newer.items() if found}


def _newer_than_3_9(node: ast.AST) -> str:
    """Return what Python 3.9 does not know of a part of a program."""
    if isinstance(node, ast.alias) and node.name in ("UTC", "StrEnum", "TypeGuard"):
        return node.name
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "zip" and node.keywords:
            return "zip(strict=)"
        if node.func.id == "isinstance" and isinstance(node.args[1], ast.BinOp):
            return "isinstance(..., A | B)"
        if node.func.id == "dataclass" and {one.arg for one in node.keywords} & {"slots", "kw_only"}:
            return "dataclass(slots=, kw_only=)"
    return ""
