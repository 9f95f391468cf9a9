# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that a run starts: however the run ends, each of them is ended, with all that it has started."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

from reality.claims import OutOfTimeError

#: Beside each program: it waits until this process closes a pipe, or has ended in any way, and ends the program's group
#: then; jobs of a shell ignore the interrupt.
_KEEPER = """\
cat
program=$1; shift
for step; do
    kill -s "${step%:*}" -- "-$program"
    left=${step#*:}
    while kill -0 "$program" && [ "$left" -gt 0 ]; do sleep 0.2; left=$((left - 1)); done
    kill -0 "$program" || break
done
kill -s KILL -- "-$program"
"""
#: For how many fifths of a second each signal is given; pytest and Molecule tidy up meanwhile.
_STEPS = ("INT:300", "TERM:50")
_POLL_SECONDS = 0.2


class Programs:
    """Those that run."""

    def __init__(self) -> None:
        self._number = 0
        self._changed = threading.Condition()
        #: An open file whose lock is kept until all programs have ended, also where this process is killed.
        self.lock: int | None = None

    def __bool__(self) -> bool:
        return self._number > 0

    def join(self) -> None:
        """Wait until there are none."""
        with self._changed:
            self._changed.wait_for(lambda: not self._number)

    def run(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str],
        log: Path | None,
        end: float,
        stop: threading.Event,
        apart: bool,
    ) -> subprocess.CompletedProcess[str]:
        """Run one from a folder; see ``World.run``. ``end`` is on the clock of ``time.monotonic``."""
        if stop.is_set() or time.monotonic() >= end:
            raise OutOfTimeError(f"there is no time for {argv[0]}")
        with _opened(log) as output, _opened(None) if apart else nullcontext(output) as errors:
            with (
                self._counted(),
                subprocess.Popen(
                    argv,
                    cwd=folder,
                    env={**os.environ, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    process_group=0,
                ) as child,
                subprocess.Popen(
                    ["sh", "-c", _KEEPER, "sh", str(child.pid), *_STEPS],
                    stdin=subprocess.PIPE,
                    pass_fds=() if self.lock is None else (self.lock,),
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                ) as keeper,
            ):
                while child.poll() is None:
                    if stop.wait(_POLL_SECONDS) or time.monotonic() > end:
                        _end(child, keeper)
                        raise OutOfTimeError(f"{argv[0]} was ended before it was done")
                keeper.kill()
            return subprocess.CompletedProcess(argv, child.returncode, _text(output), _text(errors) if apart else "")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._number += 1
        try:
            yield
        finally:
            with self._changed:
                self._number -= 1
                self._changed.notify_all()


def _opened(log: Path | None) -> IO[str]:
    if log is None:
        return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
    return log.open("w+", encoding="utf-8", errors="replace")


def _text(output: IO[str]) -> str:
    output.seek(0)
    return output.read()


def _end(child: subprocess.Popen[Any], keeper: subprocess.Popen[Any]) -> None:
    """Have a program's keeper end it."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    while keeper.poll() is None:
        # It is there for its keeper until this process has asked for its status.
        with suppress(subprocess.TimeoutExpired):
            child.wait(_POLL_SECONDS)
            keeper.wait()
