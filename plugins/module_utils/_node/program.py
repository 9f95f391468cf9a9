# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A program of a machine as one file: the code of this collection that it needs, in an archive that Python runs."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import zipfile
from collections.abc import Iterator
from types import ModuleType

ROOMS = "ansible_collections.evenkeel.gpu.plugins.module_utils"
_MAIN = "import sys\n\nfrom %s import main\n\nsys.exit(main())\n"
#: The oldest that an archive can have, so that the same sources make the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def archive(entry: ModuleType) -> bytes:
    """Return the program that the function ``main`` of a module is; the same sources always make the same bytes."""
    found = sources(entry)
    packages = sorted({"/".join(name.split(".")[:depth]) for name in found for depth in range(1, name.count(".") + 1)})
    files = {"%s/__init__.py" % package: "" for package in packages}
    files.update({"%s.py" % name.replace(".", "/"): found[name] for name in sorted(found)})
    files["__main__.py"] = _MAIN % entry.__name__
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for name, text in files.items():
            target.writestr(zipfile.ZipInfo(name, _DATE), text)
    return out.getvalue()


def sources(entry: ModuleType) -> dict[str, str]:
    """Return the sources of a module and of all that it imports of this collection, by their full names."""
    found: dict[str, str] = {}
    todo = [entry.__name__]
    while todo:
        name = todo.pop()
        if name not in found:
            # Ansible has the module in an archive, a survey in memory: its loader knows the source either way.
            found[name] = inspect.getsource(importlib.import_module(name))
            todo += _imported(found[name])
    return found


def _imported(source: str) -> Iterator[str]:
    """Yield the modules of this collection that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(ROOMS + "."):
            if node.module.count(".") == ROOMS.count(".") + 1:  # a room, of which files are imported
                yield from ("%s.%s" % (node.module, alias.name) for alias in node.names)
            else:
                yield node.module
