# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The Python packages that the control node needs beside ansible-core's own, and what to do where they are missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: What is imported, and the package that brings it.
PACKAGES = {
    "argon2": "argon2-cffi",
    "cryptography": "cryptography",
    "packaging": "packaging",
    "rattler": "py-rattler",
    "ruamel.yaml": "ruamel.yaml",
    "uv": "uv",
}
#: Lies in the collection, installed or not.
FILE = Path(__file__).resolve().parents[3] / "requirements.txt"


@contextmanager
def optional() -> Iterator[None]:
    """Let an import of one of the packages fail; ``require`` reports it when a plugin is used."""
    try:
        yield
    except ModuleNotFoundError as error:
        if not any(f"{name}.".startswith(f"{error.name}.") for name in PACKAGES):
            raise


def require() -> None:
    """Refuse to go on where a package is missing.

    Every plugin of the control node asks for all of them, so that a run ends before its first change, with one message.

    Raises
    ------
    EvenkeelError
        Names what is missing and the command that installs it.
    """
    missing = [package for name, package in PACKAGES.items() if not _is_there(name)]
    if missing:
        raise EvenkeelError(
            f"The Python of Ansible on the control node, {sys.executable}, has no {', '.join(missing)}",
            f"Install what the collection needs: {sys.executable} -m pip install -r {FILE}",
        )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False
