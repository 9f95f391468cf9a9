# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the claims of parts, several at once, and keeps each result at once, so that a run goes on where it stopped."""

from __future__ import annotations

import importlib
import pkgutil
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version

from reality import parts
from reality.claims import DIFFERS, FAILED, SKIPPED, UNREACHABLE, Claim, OutOfTimeError, Result, SkippedError, differs
from reality.impersonal import impersonal, without_paths
from reality.reach import OF_DISK, RefusedError, TroubleError
from reality.record import Sight
from reality.state import State
from reality.world import World

#: In which order parts run; those that cost least come first.
ORDER = ("data", "packages", "conda", "nodes", "gpu")
_ABSENT = (404, 410)
_POLL_SECONDS = 0.2
#: For how long after its end a part waits for requests, which end by themselves.
_GRACE_SECONDS = 5.0
#: So many characters of what a site or a program says are kept.
_LONGEST = 2000


class Part(Protocol):
    """A module of ``reality.parts``."""

    #: What it is about, for people.
    TITLE: str
    #: Whether it asks sites of the world.
    NETWORK: bool
    #: How many claims are asked at once.
    AT_ONCE: int
    #: How long it may take where nobody says otherwise.
    SECONDS: float

    def claims(self, world: World) -> Iterable[Claim]:
        """Return its claims, without a network."""

    def check(self, claim: Claim, world: World) -> Result:
        """Return what the world says to one of them; see ``ask`` for the errors that it may raise."""


class Recording(Protocol):
    """A part from which the lab can learn."""

    def sights(self, world: World) -> Iterable[Sight]:
        """Return what there is to look at, without a network."""


class Shown(Protocol):
    """Who shows how a run goes."""

    def begin(self, name: str, total: int, done: int) -> None:
        """A part begins, of which so many claims have their result from before."""

    def result(self, claim: Claim, result: Result) -> None:
        """A claim has its result."""

    def waiting(self, claims: Sequence[Claim]) -> None:
        """These are being asked; called several times a second while no claim has its result."""


def known_parts() -> dict[str, Part]:
    """Return the parts that there are, in their order."""
    names = {one.name for one in pkgutil.iter_modules(parts.__path__)}
    return {name: importlib.import_module(f"reality.parts.{name}") for name in ORDER if name in names}


def alone(folder: Path) -> AbstractContextManager[int]:
    """Keep other runs out of a folder.

    Raises
    ------
    EvenkeelError
        Another run is in it.
    """
    return run_lock.held(str(folder / "locks" / "run"), 0)


def run(
    name: str, part: Part, world: World, state: State, shown: Shown, limit: float | None = None, only: str = "*"
) -> bool:
    """Ask the claims of a part that have no result yet; return whether all that were to be asked have one now.

    ``only`` is a pattern of their ids. ``KeyboardInterrupt`` leaves what was found in the state.
    """
    every = list(part.claims(world))
    claims = [claim for claim in every if claim.is_like(only)]
    if state.is_done(name):
        shown.begin(name, len(claims), len(claims))
        return True
    if state.begin(name, every, claims):
        _forget(world.folder / name, logs=len(claims) == len(every))
    done = state.settled(claims)
    left = [claim for claim in claims if claim.id not in done]
    different = [claim for claim in claims if claim.id in done and done[claim.id].state == DIFFERS]
    shown.begin(name, len(claims), len(claims) - len(left) - len(different))
    for claim in different:
        shown.result(claim, done[claim.id])
    world.reach.end = time.monotonic() + (part.SECONDS if limit is None else limit)
    try:
        whole = _asked(part, left, world, state, shown)
    except BaseException:
        world.reach.stop.set()
        world.programs.join()
        raise
    if whole:
        state.end(name)
    return whole


def _forget(folder: Path, *, logs: bool) -> None:
    """Remove what the checks of a part keep for a run that goes on; logs may be of claims that are not asked."""
    for path in [path for path in folder.rglob("*") if not path.is_dir() and (logs or path.suffix != ".log")]:
        path.unlink(missing_ok=True)


def _asked(part: Part, claims: Iterable[Claim], world: World, state: State, shown: Shown) -> bool:
    """Ask claims, and return whether all have a result; what has none in time is left to itself.

    A thread that waits for its turn at a site gives its place to another: one slow site keeps no other one waiting.
    """
    places = threading.Semaphore(part.AT_ONCE)
    found: queue.SimpleQueue[tuple[Claim, Result | BaseException | None]] = queue.SimpleQueue()
    todo, asking, whole = deque(claims), dict[str, Claim](), True

    @contextmanager
    def waiting() -> Iterator[None]:
        places.release()
        try:
            yield
        finally:
            places.acquire()

    def work(claim: Claim) -> None:
        try:
            found.put((claim, ask(part, claim, world)))
        except BaseException as error:
            found.put((claim, error))

    world.reach.waiting = waiting
    while todo or asking:
        late = time.monotonic() - world.reach.end
        if late >= 0 and todo:
            todo.clear()
            whole = False
        if late > _GRACE_SECONDS and not world.programs:
            return False
        while todo and places.acquire(blocking=False):
            claim = todo.popleft()
            asking[claim.id] = claim
            # A daemon, so that a request without an answer does not keep an interrupted run from its end.
            threading.Thread(target=work, args=[claim], daemon=True).start()
        try:
            claim, result = found.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            shown.waiting(list(asking.values()))
            continue
        del asking[claim.id]
        if isinstance(result, BaseException):
            raise result
        if result is None:
            whole = False
        else:
            state.keep(claim, result)
            shown.result(claim, result)
        places.release()
    return whole


def ask(part: Part, claim: Claim, world: World) -> Result | None:
    """Return the result of a claim, as it is kept; None where there was no time for it.

    Raises
    ------
    OSError
        This machine's disk is full, or can't be written.
    """
    begun = time.monotonic()
    try:
        return _clean(_judged(part, claim, world), begun)
    except OutOfTimeError:
        return None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_DISK:
            raise
        return _clean(Result(FAILED, detail=f"the check itself failed: {type(error).__name__}: {error}"), begun)


def _judged(part: Part, claim: Claim, world: World) -> Result:
    try:
        return part.check(claim, world)
    except SkippedError as error:
        return Result(SKIPPED, detail=str(error))
    except TroubleError as error:
        return Result(UNREACHABLE, detail=str(error))
    except RefusedError as error:
        # The lab has only a part of what sites have.
        absent = world.is_lab and error.status in _ABSENT
        return Result(SKIPPED if absent else DIFFERS, detail=str(error))
    except EvenkeelError as error:
        return differs("", error.what)


def _clean(result: Result, begun: float) -> Result:
    """Return a result as it is kept, which no terminal obeys, and which names nobody and no secret."""
    clean: Mapping[str, Any] = sanitised(asdict(result))
    on, detail = masked(without_paths(clean["on"])), masked(impersonal(clean["detail"]))
    return replace(
        Result(**{**clean, "on": _cut(on), "detail": _cut(detail)}),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        version=own_version(),
        seconds=round(time.monotonic() - begun, 1),
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (cut: it has {len(text)} characters)"
