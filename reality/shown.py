# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run shows its progress: a bar at a terminal, else a line now and then and one for each difference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from reality.claims import DIFFERS, FAILED, UNREACHABLE, Claim, Result

#: Where nobody watches, how often a line says how far a part is, and for what it waits.
_LINE_SECONDS, _WAIT_SECONDS = 30.0, 120.0
_MOST = 300
#: What has a line of its own, and how that begins.
_SIGNS = {DIFFERS: "≠", UNREACHABLE: "✕", FAILED: "!"}


class Bars:
    """A bar for each part, with what differs above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._progress.stop()

    def begin(self, name: str, total: int, done: int) -> None:
        """Begin a bar."""
        self._task = self._progress.add_task(name, total=total, completed=done)

    def result(self, claim: Claim, result: Result) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.advance(self._task)
        if result.state in _SIGNS:
            self._progress.console.print(line(claim, result), markup=False, highlight=False, soft_wrap=True)

    def waiting(self, claims: Sequence[Claim]) -> None:
        """Leave it to the clock beside the bar."""


class Lines:
    """Plain lines, for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._total, self._done, self._said = "", 0, 0, 0.0
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._say()

    def begin(self, name: str, total: int, done: int) -> None:
        """Say what begins."""
        self._say()
        self._name, self._total, self._done, self._said = name, total, done, time.monotonic()
        self._counts = Counter()
        self._print(f"{name}: {total} claims" + (f", {done} of them answered before" if done else ""))

    def result(self, claim: Claim, result: Result) -> None:
        """Say what differs at once, and how far it is now and then."""
        self._done += 1
        self._counts[result.state] += 1
        if result.state in _SIGNS:
            self._print(line(claim, result))
        if time.monotonic() - self._said > _LINE_SECONDS:
            self._say()

    def waiting(self, claims: Sequence[Claim]) -> None:
        """Say now and then what takes long."""
        if claims and time.monotonic() - self._said > _WAIT_SECONDS:
            more = f", and {len(claims) - 1} more" if len(claims) > 1 else ""
            self._print(f"{self._name}: {self._done} of {self._total}; now: {in_one_line(claims[0].text)}{more}")
            self._said = time.monotonic()

    def _say(self) -> None:
        if self._counts:
            counts = ", ".join(f"{number} {state}" for state, number in self._counts.items())
            self._print(f"{self._name}: {self._done} of {self._total}: {counts}")
            self._said = time.monotonic()

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def chosen(console: Console) -> Bars | Lines:
    """Return what suits the console."""
    return Bars(console) if console.is_terminal else Lines(console)


def line(claim: Claim, result: Result) -> str:
    """Return a result in one line that nobody else's text can break."""
    detail = in_one_line(result.detail)
    head = in_one_line(f"{_SIGNS[result.state]} {claim.id}: {claim.text}")
    return f"{head}: {detail[:_MOST]}{'…' if len(detail) > _MOST else ''}"
