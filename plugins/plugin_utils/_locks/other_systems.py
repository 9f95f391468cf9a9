# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Environments that were exported on Windows or macOS, by packages that exist there alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_specs import normal

with optional():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

DATA = Path(__file__).parents[1] / "data" / "other_systems.yml"
#: How many packages are named; an export has dozens.
NAMED = 5


def require_linux(packages: Iterable[str], pip: Iterable[str], path: Path) -> None:
    """Refuse an environment that asks for what another system has alone.

    Parameters
    ----------
    packages
        conda's match specifications.
    pip
        Requirements, as PEP 508 writes them.
    path
        Their file, for the error.

    Raises
    ------
    EvenkeelError
        Names the packages and the system, and how to export what was asked for.
    """
    specs = [(_name(text), text) for text in packages]
    requirements = [canonicalize_name(one.name) for one in map(Requirement, pip) if one.marker is None]
    for system, data in read_mapping(DATA).items():
        of_conda = [name for name, text in specs if _is_of(name, text, data)]
        of_pip = [name for name in requirements if _matches(name, data["pip"])]
        if of_conda or of_pip:
            names = [*of_conda, *(f"{name} (pip)" for name in of_pip)]
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            mark = f"# [{data['selector']}]" if of_conda else f"; {data['marker']}"
            raise EvenkeelError(
                f"{path}: dependencies holds {', '.join(names[:NAMED])}{more}, which only {system} has; the file was "
                f"probably exported there",
                f"On that machine, write down what was asked for, `conda env export --from-history`, and add pip's "
                f"packages by hand. Or leave these packages out, or mark each: {(of_conda or of_pip)[0]} {mark}",
            )


def _is_of(name: str, text: str, data: dict[str, Any]) -> bool:
    return _matches(name, data["names"]) or (text.count("=") > 1 and "==" not in text and name in data["with_a_build"])


def _name(text: str) -> str:
    found = re.match(r"[\w.-]*", normal(text).rpartition("::")[2])
    return found[0] if found else ""


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
