# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the Python that runs the command ``evenkeel env`` has to read locks and to build environments with."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import CONDA, RATTLER, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.runtime import OLDEST_PYTHON
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: Lies in the collection, installed or not.
FILE = Path(__file__).resolve().parents[3] / "requirements-env.txt"
#: Where its own environment is, as the documentation has it.
OWN = "~/.local/share/evenkeel-tools"
#: Without these, nothing can be read: what is imported, and the package that brings it.
READERS = {"packaging": "packaging", "yaml": "pyyaml"}
#: Without this, nobody knows whether two requests are the same.
SOLVER = {"rattler": "py-rattler"}


def require_linux() -> None:
    """Refuse another system than Linux.

    Raises
    ------
    EvenkeelError
        Names the system.
    """
    system = os.uname().sysname
    if system != "Linux":
        raise EvenkeelError("The environments of locks are for Linux, and this is %s" % system, "Use a Linux machine")


def require(needs: Mapping[str, str]) -> None:
    """Refuse a Python that lacks what is imported.

    Parameters
    ----------
    needs
        What is imported, and the package that brings it.

    Raises
    ------
    EvenkeelError
        Names what it lacks, and how to come by it.
    """
    _require(package for name, package in needs.items() if find_spec(name) is None)


@contextmanager
def found(*, pip: bool) -> Iterator[tuple[str, Tools]]:
    """Yield the installer, and what it is run with; py-rattler before a conda that is there.

    Parameters
    ----------
    pip
        Whether there are packages of pip to install.

    Raises
    ------
    EvenkeelError
        There is neither, or no uv for packages of pip.
    """
    rattler, conda, uv = find_spec("rattler"), conda_command(), uv_command()
    if not rattler and not conda and sys.version_info < OLDEST_PYTHON:
        raise EvenkeelError(
            "%s is Python %d.%d, py-rattler needs %d.%d or newer, and there is no conda on PATH"
            % (sys.executable, *sys.version_info[:2], *OLDEST_PYTHON),
            "Run this command with a newer Python, or put conda on PATH",
        )
    _require((["py-rattler"] if not rattler and not conda else []) + (["uv"] if pip and not uv else []))
    with work_folder.made("tools") as runtime:
        # In the form of a node's runtime.
        os.mkdir(os.path.join(runtime, "bin"))
        if uv:
            os.symlink(uv, os.path.join(runtime, "bin", "uv"))
        if rattler and rattler.origin:
            os.symlink(os.path.dirname(os.path.dirname(rattler.origin)), os.path.join(runtime, "site-packages"))
            yield RATTLER, Tools(conda, sys.executable, runtime)
        else:
            yield CONDA, Tools(conda, sys.executable, runtime)


def conda_command() -> str:
    """Return the user's conda; empty where there is none."""
    named = os.environ.get("CONDA_EXE", "")
    return named if os.access(named, os.X_OK) else shutil.which("conda") or ""


def uv_command() -> str:
    """Return uv, first the one of this Python; empty where there is none."""
    own = os.path.join(sysconfig.get_path("scripts"), "uv")
    return own if os.access(own, os.X_OK) else shutil.which("uv") or ""


def _require(packages: Iterable[str]) -> None:
    missing = ", ".join(packages)
    if missing:
        raise EvenkeelError(
            "The Python of this command, %s, has no %s" % (sys.executable, missing),
            "Install what it needs into an environment of its own, and put that first on PATH: python3 -m venv %s; "
            "%s/bin/pip install -r %s; export PATH=%s/bin:$PATH" % (OWN, OWN, FILE, OWN),
        )
