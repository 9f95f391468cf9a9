# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Work of several layers in one process each, at the same time, with a limit of time.

A layer has a process of its own, forked from this one, so that it starts at once, and so that what it leaves behind,
a crash, and a wait without end are its own. All that it has started ends with it, and it ends with this process.
"""

from __future__ import annotations

import contextlib
import ctypes
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

#: How large a layer's answers may be.
MOST_BYTES = 64 << 20
#: How long killed processes may take to go; one that waits for a dead file server does not, and is left behind.
GRACE_SECONDS = 1.0

_CHUNK = 1 << 16
#: The end of a line with a text, which is why there are no more answers: answers are mappings.
_END = b'"\n'
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: Loaded before the forks. A libc without it has layers end with their process group alone.
_prctl = getattr(ctypes.CDLL(None), "prctl", lambda *_unused: -1)


def in_processes(
    layers: Mapping[str, Layer], seconds: float, at_once: int, variable: str = ""
) -> dict[str, tuple[list[Answer], str]]:
    """Return each layer's answers, and why there are no more of them; empty where it came to its end.

    Parameters
    ----------
    layers
        Each is called in its process, and yields answers that JSON can hold.
    seconds
        Each layer's limit of time.
    at_once
        How many run at a time.
    variable
        What an operator sets the limit by.

    Raises
    ------
    SystemExit
        SIGTERM or SIGHUP came; all layers have been ended.
    """
    waiting = list(layers.items())
    limit = "%d seconds%s" % (seconds, " (%s)" % variable if variable else "")
    running: dict[int, _Process] = {}
    found: dict[str, tuple[list[Answer], str]] = {}
    others = _children()
    with selectors.DefaultSelector() as selector, _inheriting_orphans(), _signals() as signals:
        selector.register(signals, selectors.EVENT_READ)
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    name, layer = waiting.pop(0)
                    try:
                        process = _Process(name, layer, seconds)
                    except OSError as error:
                        found[name] = [], "its process did not start: %s" % error
                        continue
                    running[process.pipe] = process
                    selector.register(process.pipe, selectors.EVENT_READ)
                now = time.monotonic()
                patience = max(0.0, min((process.ends for process in running.values()), default=now) - now)
                ready = [key.fd for key, _unused in selector.select(patience)]
                if signals in ready:
                    raise SystemExit(128 + os.read(signals, 1)[0])
                for process in list(running.values()):
                    late = time.monotonic() >= process.ends
                    more = process.pipe not in ready or process.read()
                    if more and not late:
                        continue
                    selector.unregister(process.pipe)
                    del running[process.pipe]
                    others |= process.kill(others.union(other.pid for other in running.values()))
                    found[process.name] = process.answers(limit if late else "")
        finally:
            for process in running.values():
                others |= process.kill(others)
    return {name: found[name] for name in layers}


class _Process:
    """A layer in its process."""

    def __init__(self, name: str, layer: Layer, seconds: float) -> None:
        self.name = name
        self.ends = time.monotonic() + seconds
        self._text = bytearray()
        with contextlib.ExitStack() as left:
            folder = tempfile.mkdtemp(prefix="evenkeel-survey-")
            left.callback(shutil.rmtree, folder, ignore_errors=True)
            os.chmod(folder, 0o711)  # noqa: S103 (what root lets others read in there is found)
            self.pipe, writable = os.pipe()
            left.callback(os.close, self.pipe)
            module = os.getpid()
            try:
                self.pid = os.fork()
                if self.pid == 0:
                    _answer(layer, writable, folder, module)
            finally:
                os.close(writable)
            self._left = left.pop_all()

    def read(self) -> bool:
        """Read what there is; return whether more may come."""
        chunk = os.read(self.pipe, _CHUNK)
        self._text += chunk
        # What the layer has started may keep the pipe open.
        return bool(chunk) and not self._text.endswith(_END) and len(self._text) <= MOST_BYTES

    def answers(self, exceeded: str) -> tuple[list[Answer], str]:
        """Return the whole answers and why there are no more: the limit that was exceeded, for example."""
        *lines, rest = self._text.split(b"\n")
        end = lines.pop() if self._text.endswith(_END) else None
        answers = [json.loads(line) for line in lines]
        if len(self._text) > MOST_BYTES:
            return answers, "its answers were too long"
        if end is not None:
            return answers, str(json.loads(end))
        if exceeded:
            return answers, "it took longer than %s" % exceeded
        return answers, "its process ended early%s" % (" within an answer" if rest else "")

    def kill(self, others: set[int]) -> set[int]:
        """End the process with all that it has started, and remove its temporary files; return what would not end.

        Parameters
        ----------
        others
            Children of this process that stay.
        """
        remaining = _end({self.pid}, others)
        self._left.close()
        return remaining


def _answer(layer: Layer, writable: int, folder: str, module: int) -> None:
    """Write the answers of a layer, one to a line, and end the process; for a forked child."""
    end = "its process ended early"
    try:
        os.setsid()
        _end_with(module, folder)
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
    rest = memoryview((json.dumps(answer) + "\n").encode())
    while rest:
        rest = rest[os.write(writable, rest) :]


def _end_with(module: int, folder: str) -> None:
    """Have this layer end, with all that it has started and its temporary files, when the module's process does."""

    def end(*_unused: object) -> None:
        _end(set(), set())
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)

    for number in _SIGNALS:
        signal.signal(number, end)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != module:
        end()


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Yield a pipe with the numbers of the signals that come, instead of ending by them.

    An error raised wherever one comes could leave a layer that was just started.
    """
    reading, writing = os.pipe()
    ending = [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in ending:
        signal.signal(number, lambda came, _frame: os.write(writing, bytes([came])))
    try:
        yield reading
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def _inheriting_orphans() -> Iterator[None]:
    """Become the parent of what layers that end have started, in sessions of its own too."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _end(children: set[int], others: set[int]) -> set[int]:
    """Kill some children, and all those of this process but others; return what has not ended after a while.

    What a killed process has started becomes a child of this one, and is found as such.
    """
    patience = time.monotonic() + GRACE_SECONDS
    while True:
        children = {pid for pid in children if _is_there(pid)} | (_children() - others)
        for pid in children:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(pid, signal.SIGKILL)
        if not children or time.monotonic() > patience:
            return children
        time.sleep(0.001)


def _is_there(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _children() -> set[int]:
    """Return the children of this process; none where the kernel has no list of them."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid(), encoding="ascii") as stream:
            return set(map(int, stream.read().split()))
    except OSError:
        return set()
