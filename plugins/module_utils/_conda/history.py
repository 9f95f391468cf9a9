# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda's history of an environment says that its users asked for."""

from __future__ import annotations

import ast
import contextlib
import os
import re

_ENTRY = re.compile(r"# (?P<action>update|install|create|remove|uninstall|neutered) specs: *(?P<specs>.*)")
#: What conda writes of each package that it copies from another environment or takes from an explicit file.
_COPY = re.compile(r"\S+/(noarch|[a-z]+-[a-z0-9_]+)::[^=\s]+==[^=\s]+=[^=\s\[]+(\[.*\])?")
_NAME = re.compile(r"(?:[^[]*::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")


def requested(prefix: str) -> list[str]:
    """Return the specifications that users asked for and have not removed since, by name.

    Empty when the environment has no history, or one without specifications, as an explicit file leaves it.
    """
    return parse(_text(prefix))


def copied(prefix: str) -> list[str]:
    """Return the names of packages that nobody asked for by name: a clone or an explicit file brought them."""
    return [name for name, spec in _asked(_text(prefix)).items() if _COPY.fullmatch(spec)]


def parse(text: str) -> list[str]:
    """Return what users asked for by the text of a history; what came later counts."""
    return [spec for spec in _asked(text).values() if not _COPY.fullmatch(spec)]


def _text(prefix: str) -> str:
    try:
        with open(os.path.join(prefix, "conda-meta", "history"), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _asked(text: str) -> dict[str, str]:
    """Return the specifications of a history, by name and sorted."""
    asked: dict[str, str] = {}
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line.strip())
        for spec in specifications(entry["specs"]) if entry else ():
            name = name_of(spec)
            if name and entry and entry["action"] in ("remove", "uninstall"):
                asked.pop(name, None)
            elif name:
                asked[name] = spec
    return dict(sorted(asked.items()))


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
