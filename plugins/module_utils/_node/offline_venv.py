# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A virtual environment of wheels at hand, made by the uv among them, without an index and without a network."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories

PARTIAL = ".partial-"
#: For uv on a disk of its own machine.
_SECONDS = 600


def make(python: str, target: str, wheels: Sequence[str], whose: str, source: str) -> None:
    """Make an environment in place of what is there; none is left where that fails.

    Parameters
    ----------
    python
        Its Python.
    target
        Its folder, which it can't leave later.
    wheels
        All that it gets, uv included; nothing is resolved.
    whose
        For messages: what it is for, such as ``of the pull agent``.
    source
        For messages: where a wheel that is missing is to be put.

    Raises
    ------
    EvenkeelError
        The wheels do not fit the Python or each other, have no uv, or the disk has no room.
    """
    parent = os.path.dirname(target)
    make_directories(parent)
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=parent) as work:
        uv = _uv(wheels, work, source)
        environment = {
            "UV_OFFLINE": "1",
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": os.path.join(work, "cache"),
            "HOME": work,
        }
        quiet = ("--quiet", "--no-progress")
        own = os.path.join(target, "bin", "python")
        for argv in (
            [uv, "venv", *quiet, "--no-python-downloads", "--python", python, target],
            [uv, "pip", "install", *quiet, "--no-index", "--no-deps", "--link-mode=copy", "--python", own, *wheels],
            [uv, "pip", "check", *quiet, "--python", own],
        ):
            done = command.run(argv, timeout=_SECONDS, extra=environment)
            if done.status != 0:
                shutil.rmtree(target, ignore_errors=True)
                raise EvenkeelError(
                    "The environment %s can't be made: %s" % (whose, done.last_words()),
                    "See whether the wheels fit %s and the disk has room" % python,
                )


def _uv(wheels: Sequence[str], work: str, source: str) -> str:
    """Return the path of uv, unpacked from its wheel.

    Raises
    ------
    EvenkeelError
        It is not among the wheels.
    """
    for wheel in wheels:
        if os.path.basename(wheel).startswith("uv-"):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.endswith(".data/scripts/uv"):
                        target = os.path.join(work, "uv")
                        with archive.open(name) as packed, open(target, "wb") as stream:
                            shutil.copyfileobj(packed, stream)
                        os.chmod(target, 0o700)
                        return target
    raise EvenkeelError("The wheels have no uv, which makes the environment", "Add its wheel to %s" % source)
