# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the claims of parts, several at once, and keeps each result at once, so that a run goes on where it stopped."""

from __future__ import annotations

import importlib
import json
import pkgutil
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version

from reality import parts
from reality.claims import DIFFERS, PROVEN, SKIPPED, UNREACHABLE, Claim, OutOfTimeError, Result, SkippedError, differs
from reality.impersonal import impersonal, without_paths
from reality.reach import OF_DISK, RefusedError, TroubleError
from reality.record import Sight
from reality.world import World

STATE = "state.json"
#: The version of the state's form.
FORMAT = 1
#: In which order parts run; those that cost least come first.
ORDER = ("data", "packages", "conda", "nodes", "gpu")
#: These answers are kept by a run that goes on; the others are asked again.
_SETTLED = (PROVEN, DIFFERS)
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


class State:
    """The results so far, on disk after each claim."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found: dict[str, Any] = read(path) if path.exists() else {"parts": {}, "run": _no_run()}
        self._parts: dict[str, dict[str, Any]] = found["parts"]
        self._run: dict[str, list[str]] = found["run"]

    @classmethod
    def anew(cls, path: Path, names: Iterable[str]) -> State:
        """Return a state that has forgotten some parts; one that can't be read is forgotten as a whole."""
        try:
            found = cls(path)
        except EvenkeelError:
            path.unlink()
            return cls(path)
        for name in names:
            found._parts.pop(name, None)
        found._run = _no_run()
        return found

    def start(self, names: Iterable[str]) -> None:
        """Start a run of some parts, or go on with the last one, where it was of the same parts and was stopped."""
        parts = list(names)
        if self._run["parts"] != parts or set(self._run["done"]) == set(parts):
            self._run = {"parts": parts, "done": []}

    def is_done(self, part: str) -> bool:
        """Return whether the run that goes on has asked all of a part."""
        return part in self._run["done"]

    def begin(self, part: str) -> bool:
        """Begin a part, and return whether that is anew: it has not run, or its last run was whole."""
        kept = self._parts.get(part)
        new = kept is None or kept["whole"]
        if new:
            self._parts[part] = {"whole": False, "results": {}}
            self._write()
        return new

    def settled(self, part: str) -> dict[str, Result]:
        """Return the results of a part that a run which goes on does not ask for again."""
        return {key: result for key, result in self.results([part]).items() if result.state in _SETTLED}

    def keep(self, claim: Claim, result: Result) -> None:
        """Keep a result."""
        self._parts[claim.part]["results"][claim.id] = asdict(result)
        self._write()

    def end(self, part: str) -> None:
        """Keep that all claims of a part have been asked, so that its next run begins anew."""
        self._parts[part]["whole"] = True
        self._run["done"] += [part] if part in self._run["parts"] else []
        self._write()

    def results(self, names: Iterable[str] = ()) -> dict[str, Result]:
        """Return all results, or those of some parts."""
        wanted = set(names) or set(self._parts)
        return {
            key: Result(**one)
            for name, part in self._parts.items()
            if name in wanted
            for key, one in part["results"].items()
        }

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, "run": self._run, "parts": self._parts})
        new = self._path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)


def _no_run() -> dict[str, list[str]]:
    return {"parts": [], "done": []}


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file.

    Raises
    ------
    EvenkeelError
        It is none, or of a newer version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = found["format"]
        found["parts"].items()
        [*found.setdefault("run", _no_run())["parts"], *found["run"]["done"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EvenkeelError(f"{path} is no state of a reality check", "Begin anew, with --fresh") from None
    if version != FORMAT:
        raise EvenkeelError(
            f"{path} is of the form {version}, and this version of Evenkeel reads {FORMAT}",
            "Use the version that wrote it, or begin anew, with --fresh",
        )
    return dict(found)


def run(
    name: str, part: Part, world: World, state: State, shown: Shown, limit: float | None = None, only: str = "*"
) -> bool:
    """Ask the claims of a part that have no result yet; return whether all that were to be asked have one now.

    ``only`` is a pattern of their ids, as of file names. ``KeyboardInterrupt`` leaves what was found in the state.
    """
    every = list(part.claims(world))
    claims = [claim for claim in every if fnmatchcase(claim.id, only)]
    if state.is_done(name):
        shown.begin(name, len(claims), len(claims))
        return True
    if state.begin(name):
        # What checks keep there for a run that goes on.
        shutil.rmtree(world.folder / name, ignore_errors=True)
    done = state.settled(name)
    left = [claim for claim in claims if claim.id not in done]
    shown.begin(name, len(claims), len(claims) - len(left))
    world.reach.end = time.monotonic() + (part.SECONDS if limit is None else limit)
    try:
        whole = _asked(part, left, world, state, shown)
    except BaseException:
        world.reach.stop.set()
        world.programs.join()
        raise
    if whole and all(claim.id in state.results([name]) for claim in every):
        state.end(name)
    return whole


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
        return _clean(differs("", f"the check itself failed: {type(error).__name__}: {error}"), begun)


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
