# SPDX-License-Identifier: GPL-3.0-or-later
"""An error says how to get out of it: no remedy is a bare "Fix it"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "plugins").rglob("*.py") if "EvenkeelError(" in path.read_text())
_BARE = re.compile(r"(Correct|Fix|Repair|Check|Change) (it|them|this|that)\.?")


def remedies(source: str) -> Iterator[str]:
    """Yield the remedies of a file's errors that are plain texts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("EvenkeelError"):
            named = [keyword.value for keyword in node.keywords if keyword.arg == "remedy"]
            for given in [*node.args[1:2], *named]:
                if isinstance(given, ast.Constant):
                    yield str(given.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "plugins")))
def test_no_remedy_is_bare(path: Path) -> None:
    assert [text for text in remedies(path.read_text()) if _BARE.fullmatch(text)] == []


def test_remedies_are_found() -> None:
    source = 'EvenkeelError("x is wrong", "Fix it")\nerrors.EvenkeelError("y", remedy="Set y to 1")'
    assert list(remedies(source)) == ["Fix it", "Set y to 1"]
    assert [text for text in remedies(source) if _BARE.fullmatch(text)] == ["Fix it"]
