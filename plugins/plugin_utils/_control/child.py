# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Functions run in a child process of the control node, whose death is an error with a name, and not Ansible's.

A library that runs out of memory may end its whole process, and in an action that is Ansible's worker.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import broken

Answer = TypeVar("Answer")

_CHUNK_BYTES = 1 << 16


def in_child(function: Callable[[], Answer], what: str, seconds: float) -> Answer:
    """Return what a function returns in a child process.

    Parameters
    ----------
    function
        Its answer has to be of types that can be pickled.
    what
        What fails when it does, such as ``The index of https://mirror.example/main could not be read``.
    seconds
        How long it may take.

    Raises
    ------
    EvenkeelError
        Whatever the function raised, or the child ended without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.close(reading)
            _tell(function, writing)
        os._exit(0)
    os.close(writing)
    try:
        answer = _read(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it has answered, or will not
        _unused, status = os.waitpid(child, 0)
    if answer is None:
        raise EvenkeelError("%s within %d seconds" % (what, seconds), "Check the address, or choose a nearer mirror")
    if not answer:
        raise EvenkeelError(
            "%s: what read it was ended by signal %d, as happens when there is no memory left for it"
            % (what, os.WTERMSIG(status)),
            "Check what the server sends, or choose another mirror",
        )
    # It comes from this very program.
    kind, value = pickle.loads(answer)  # noqa: S301
    if kind == "failed":
        raise EvenkeelError(*value)
    result: Answer = value
    return result


def has_threads_of_its_own(beginning: str) -> bool:
    """Return whether this process has threads whose names begin so, which a child would not have."""
    names = []
    for path in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(OSError):
            names.append(path.read_text())
    return any(name.startswith(beginning) for name in names)


def _tell(function: Callable[[], Any], pipe: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):  # a crashing library writes there, and that is not the answer
        os.dup2(null, descriptor)
    try:
        answer: tuple[str, Any] = ("answer", function())
    except EvenkeelError as error:
        answer = ("failed", (error.what, error.remedy))
    except ImportError as error:
        answer = ("failed", (broken(error).what, broken(error).remedy))
    except Exception as error:
        answer = ("failed", ("%s: %s" % (type(error).__name__, error), "Report it as an error in Evenkeel itself"))
    with os.fdopen(pipe, "wb") as stream:
        pickle.dump(answer, stream)


def _read(pipe: int, end: float) -> bytes | None:
    """Return all that comes through a pipe; None when it is not at its end in time."""
    found = bytearray()
    while select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
        chunk = os.read(pipe, _CHUNK_BYTES)
        if not chunk:
            return bytes(found)
        found += chunk
    return None
