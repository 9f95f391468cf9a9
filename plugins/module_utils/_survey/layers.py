# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Work of several layers in one process each, at the same time, with a limit of time.

A layer has a process of its own, forked from this one, so that it starts at once, and so that what it leaves behind,
a crash, and a wait without end are its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Answer = dict[str, Any]
Layer = Callable[[], Iterator[Answer]]

_CHUNK = 1 << 16
#: The end of a line with a text, which is why there are no more answers: answers are mappings.
_END = b'"\n'


def in_processes(layers: Mapping[str, Layer], seconds: float, at_once: int) -> dict[str, tuple[list[Answer], str]]:
    """Return each layer's answers, and why there are no more of them; empty where it came to its end.

    Parameters
    ----------
    layers
        Each is called in its process, and yields answers that JSON can hold.
    seconds
        Each layer's limit of time.
    at_once
        How many run at a time.
    """
    waiting = list(layers.items())
    running: dict[int, _Process] = {}
    found: dict[str, tuple[list[Answer], str]] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    process = _Process(*waiting.pop(0), seconds)
                    running[process.pipe] = process
                    selector.register(process.pipe, selectors.EVENT_READ)
                patience = max(0.0, min(process.ends for process in running.values()) - time.monotonic())
                ready = [key.fd for key, _unused in selector.select(patience)]
                for process in list(running.values()):
                    if process.pipe in ready and process.read():
                        continue
                    if process.pipe not in ready and time.monotonic() < process.ends:
                        continue
                    selector.unregister(process.pipe)
                    del running[process.pipe]
                    found[process.name] = process.end(late=process.pipe not in ready, seconds=seconds)
        finally:
            for process in running.values():
                process.kill()
    return {name: found[name] for name in layers}


class _Process:
    """A layer in its process."""

    def __init__(self, name: str, layer: Layer, seconds: float) -> None:
        self.name = name
        self.ends = time.monotonic() + seconds
        self._text = b""
        self._folder = tempfile.mkdtemp(prefix="evenkeel-survey-")
        os.chmod(self._folder, 0o711)  # noqa: S103 (what root lets others read in there is found)
        self.pipe, writable = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _answer(layer, writable, self._folder)
        os.close(writable)

    def read(self) -> bool:
        """Read what there is; return whether more may come."""
        chunk = os.read(self.pipe, _CHUNK)
        self._text += chunk
        # What the layer has started may keep the pipe open.
        return bool(chunk) and not self._text.endswith(_END)

    def end(self, *, late: bool, seconds: float) -> tuple[list[Answer], str]:
        """End the process, and return its whole answers and why there are no more."""
        self.kill()
        *lines, rest = self._text.split(b"\n")
        ended = self._text.endswith(_END)
        answers = [json.loads(line) for line in (lines[:-1] if ended else lines)]
        if ended:
            return answers, str(json.loads(lines[-1]))
        if late:
            return answers, "it took longer than %d seconds" % seconds
        return answers, "its process ended early%s" % (" within an answer" if rest else "")

    def kill(self) -> None:
        """End the process with all that it has started, and remove its temporary files."""
        with contextlib.suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self._pid, 0)
        os.close(self.pipe)
        shutil.rmtree(self._folder, ignore_errors=True)


def _answer(layer: Layer, writable: int, folder: str) -> None:
    """Write the answers of a layer, one to a line, and end the process; for a forked child."""
    end = "its process ended early"
    try:
        os.setsid()
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        try:
            for answer in layer():
                _write(writable, answer)
            end = ""
        except BaseException as error:
            end = "%s: %s" % (type(error).__name__, error)
        _write(writable, end)
    finally:
        os._exit(0)


def _write(writable: int, answer: Answer | str) -> None:
    text = (json.dumps(answer) + "\n").encode()
    while text:
        text = text[os.write(writable, text) :]
