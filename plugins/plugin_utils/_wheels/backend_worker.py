# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Unpack a source and call its build backend (PEP 517); run by the lock's own Python as a program of its own.

Reads a JSON object from the file that its first argument names, and writes its answer to the file of the second.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from typing import Any


def unpack(request: dict[str, Any]) -> dict[str, Any]:
    """Unpack an archive; return where its project is, below the target."""
    options: dict[str, Any] = {} if request["archive"].endswith(".zip") else {"filter": "data"}
    try:
        shutil.unpack_archive(request["archive"], request["target"], **options)
    except TypeError:  # a Python before the filter; the sandbox confines it
        shutil.unpack_archive(request["archive"], request["target"])
    names = os.listdir(request["target"])
    only = os.path.join(request["target"], names[0]) if len(names) == 1 else ""
    return {"project": only if os.path.isdir(only) else request["target"]}


def look(request: dict[str, Any]) -> dict[str, Any]:
    """Return what the project says of its build: its pyproject.toml, None without one."""
    try:
        with open(os.path.join(request["project"], "pyproject.toml"), encoding="utf-8") as stream:
            return {"pyproject": stream.read()}
    except FileNotFoundError:
        return {"pyproject": None}


def backend_of(request: dict[str, Any]) -> Any:
    """Import the backend, from the project itself where it names directories of its own."""
    os.chdir(request["project"])
    sys.path[:0] = [os.path.join(request["project"], path) for path in request["backend_path"]]
    module, _colon, attribute = request["backend"].partition(":")
    backend = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        backend = getattr(backend, part)
    return backend


def requires(request: dict[str, Any]) -> dict[str, Any]:
    """Return what the backend needs besides to build a wheel."""
    hook = getattr(backend_of(request), "get_requires_for_build_wheel", None)
    return {"requires": list(hook(None) or ()) if hook else []}


def wheel(request: dict[str, Any]) -> dict[str, Any]:
    """Build the wheel; return the name of its file."""
    return {"wheel": os.path.basename(backend_of(request).build_wheel(request["target"], None))}


def main() -> None:
    """Do what the request asks for."""
    place, target = sys.argv[1:]  # setuptools changes them
    with open(place, encoding="utf-8") as stream:
        request = json.load(stream)
    answer = {"unpack": unpack, "look": look, "requires": requires, "wheel": wheel}[request["do"]](request)
    with open(target, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)


if __name__ == "__main__":
    main()
