# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab works without the product and without what checks the real thing: inventories are its output."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LAB = Path(__file__).parents[3] / "lab"
FILES = sorted(LAB.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(LAB)) for path in FILES])
def test_nothing_of_the_product_is_imported(path: Path) -> None:
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {
        name
        for node in found
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert not {str(name).partition(".")[0] for name in names} & {"ansible_collections", "reality"}
