# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda's history of an environment says that its users asked for."""

from __future__ import annotations

import ast
import contextlib
import os
import re

_ENTRY = re.compile(r"# (?P<action>update|install|create|remove|uninstall|neutered) specs: *(?P<specs>.*)")
_NAME = re.compile(r"(?:[^[]*::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")


def requested(prefix: str) -> list[str]:
    """Return the specifications that users asked for and have not removed since, by name.

    Empty when the environment has no history, or one without specifications, as an explicit file leaves it.
    """
    with (
        contextlib.suppress(FileNotFoundError),
        open(os.path.join(prefix, "conda-meta", "history"), encoding="utf-8", errors="replace") as stream,
    ):
        return parse(stream.read())
    return []


def parse(text: str) -> list[str]:
    """Read the text of a history; what came later counts."""
    asked: dict[str, str] = {}
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line.strip())
        for spec in specifications(entry["specs"]) if entry else ():
            name = name_of(spec)
            if name and entry and entry["action"] in ("remove", "uninstall"):
                asked.pop(name, None)
            elif name:
                asked[name] = spec
    return [asked[name] for name in sorted(asked)]


def name_of(spec: str) -> str:
    """Return the name of the package that a specification is of, in lower case; empty where it names none."""
    name = _NAME.match(spec)
    return name[1].lower() if name else ""


def specifications(text: str) -> list[str]:
    """Return the entries of a list as conda writes it: in Python's or JSON's words, or with commas as it once did."""
    with contextlib.suppress(ValueError, SyntaxError):
        found = ast.literal_eval(text)
        return [str(spec) for spec in found] if isinstance(found, (list, tuple)) else [str(found)]
    # A comma also separates two bounds of one version, where no name follows.
    return [spec.strip() for spec in re.split(r",(?=\s*[A-Za-z_])", text) if spec.strip()]
