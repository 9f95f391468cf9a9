# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports between rooms go only where rooms.yml lets them, files stand in rooms, and tests mirror them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
UTILITIES = ("module_utils", "plugin_utils")
ROOMS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("rooms.yml").read_text())
ALLOWED: dict[str, list[str]] = {room: about["imports"] for room, about in ROOMS.items()}
COLLECTION = "ansible_collections.evenkeel.gpu.plugins."


def room_of(parts: tuple[str, ...]) -> str:
    return "/".join(parts[:2]) if parts[0] in UTILITIES else parts[0]


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def wrong(path: str, source: str) -> list[str]:
    """Return the imports of one file of the plugins that leave its room in a direction that is not allowed."""
    room = room_of(Path(path).parts)
    found = []
    for name in imported(ast.parse(source)):
        if name.startswith(".") or name.split(".")[0] == "lab":
            found.append(name)
        elif name.startswith(COLLECTION):
            other = room_of(tuple(name.removeprefix(COLLECTION).split(".")))
            if other != room and not any(fnmatchcase(other, pattern) for pattern in ALLOWED[room]):
                found.append(name)
    return found


FILES = sorted(path.relative_to(PLUGINS).as_posix() for path in PLUGINS.rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_imports_go_where_they_may(path: str) -> None:
    assert wrong(path, (PLUGINS / path).read_text()) == []


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("module_utils/_gpu/cdi.py", f"from {COLLECTION}module_utils._os_packages import apt", []),
        ("module_utils/_gpu/cdi.py", f"from {COLLECTION}module_utils._gpu.efi import x", []),
        ("modules/gpu_facts.py", f"from {COLLECTION}module_utils._gpu import facts", []),
        ("module_utils/_access/home.py", f"def f():\n    import {COLLECTION}module_utils._conda.condarc", ["…"]),
        ("modules/gpu_facts.py", f"from {COLLECTION}plugin_utils._gpu import gpus", ["…"]),
        ("module_utils/_node/files.py", "from . import errors", ["…"]),
        ("action/condarc.py", "from lab.nodes import ssh", ["…"]),
    ],
)
def test_a_wrong_direction_is_found(path: str, source: str, found: list[str]) -> None:
    assert len(wrong(path, source)) == len(found)


def test_directions_have_no_cycle() -> None:
    done: set[str] = set()
    rooms = {room: {one for one in others if not one.endswith("*")} for room, others in ALLOWED.items()}
    while ready := {room for room, others in rooms.items() if room not in done and others <= done}:
        done |= ready
    assert set(rooms) == done


@pytest.mark.parametrize("kind", UTILITIES)
def test_every_utility_has_a_room_that_is_listed(kind: str) -> None:
    assert not list((PLUGINS / kind).glob("*.py"))
    rooms = {f"{kind}/{path.name}" for path in (PLUGINS / kind).glob("_*") if path.name != "__pycache__"}
    assert rooms == {room for room in ALLOWED if room.startswith(kind)}


@pytest.mark.parametrize("kind", UTILITIES)
def test_tests_stand_in_the_room_of_what_they_test(kind: str) -> None:
    rooms = {path.name for path in (PLUGINS / kind).glob("_*")}
    tests = ROOT / "tests" / "unit" / "plugins" / kind
    assert not list(tests.glob("test_*.py"))
    assert {path.parent.name for path in tests.rglob("test_*.py")} <= rooms


def test_the_lab_is_not_part_of_the_collection() -> None:
    assert "lab" in yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
