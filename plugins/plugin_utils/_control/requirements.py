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
#: What single playbooks need, which ask for it themselves.
OF_PLAYBOOKS = {"cyclonedx": "cyclonedx-python-lib", "packageurl": "cyclonedx-python-lib"}
#: Lies in the collection, installed or not.
FILE = Path(__file__).resolve().parents[3] / "requirements.txt"
#: Why imports have failed in this process.
_failed: list[Exception] = []


@contextmanager
def optional() -> Iterator[None]:
    """Let an import from the packages fail; ``require`` reports it when a plugin is used."""
    try:
        yield
    except Exception as error:  # one that is too old or damaged fails in any way
        _failed.append(error)


def require() -> None:
    """Refuse to go on where a package is missing, or is there and can't be imported.

    Every plugin of the control node asks for all of them, so that a run ends before its first change, with one message.

    Raises
    ------
    EvenkeelError
        Names what is missing, or why it can't be imported, and the command that installs it.
    """
    missing = [package for name, package in PACKAGES.items() if not _is_there(name)]
    if missing:
        raise EvenkeelError(
            f"The Python of Ansible on the control node, {sys.executable}, has no {', '.join(missing)}",
            f"Install what the collection needs: {sys.executable} -m pip install -r {FILE}",
        )
    if _failed:
        raise broken(_failed[0])


def broken(error: Exception) -> EvenkeelError:
    """Return the error that the failed import of a package means, which is there, but too old or damaged."""
    return EvenkeelError(
        f"The Python of Ansible on the control node, {sys.executable}, can't import what it has"
        f" ({type(error).__name__}: {error})",
        f"Install it anew: {sys.executable} -m pip install --force-reinstall -r {FILE}",
    )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False
