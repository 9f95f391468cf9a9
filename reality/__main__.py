# SPDX-License-Identifier: GPL-3.0-or-later
"""The reality check's command line: ``python -m reality``."""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import cast

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from rich.console import Console

from reality import record, report, shown, world
from reality.claims import DIFFERS, FAILED, PROVEN, SKIPPED, STATES, UNREACHABLE, Claim, Result, SkippedError
from reality.reach import Reach, RefusedError, TroubleError, proxy_of
from reality.run import ORDER, Part, Recording, alone, known_parts, run
from reality.state import STATE, State

BUILD = world.ROOT / "build" / "reality"
#: Statuses: all that was asked is proven or skipped, something differs, usage, no network, not all could be asked.
WELL, OTHERWISE, USAGE, NO_NETWORK, UNFINISHED, INTERRUPTED = 0, 1, 2, 3, 4, 130
#: For how long a site may say nothing in the look at whether there is a network.
_PREFLIGHT_SECONDS = 4.0
#: What lists ids, for people.
_LIST = ".venv/bin/python -m reality list"


def main(argv: Sequence[str] | None = None, build: Path = BUILD) -> int:
    """Run one command, and return its exit status."""
    options = _parser().parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    try:
        commands = {"run": _run, "list": _list, "record": _record, "report": _report}
        return commands[options.command](options, console, build)
    except (EvenkeelError, SkippedError) as error:
        _complain(str(error))
        return USAGE
    except OSError as error:
        _complain(f"{from_os(error)}; the same command goes on from here")
        return USAGE
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED


def _complain(text: str) -> None:
    """Say what is wrong, in one line that no text of a site or a proxy can break."""
    print(f"reality: {in_one_line(text)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m reality", description="Ask the real thing what the lab stands in for. See docs/reality.md."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    some = argparse.ArgumentParser(add_help=False)
    some.add_argument("--parts", help=f"some of {', '.join(ORDER)} (default: all)")
    some.add_argument("--only", default="*", metavar="PATTERN", help="claims of such ids alone: 'nodes/*/rocky9'")
    one = argparse.ArgumentParser(add_help=False, parents=[some])
    one.add_argument("--limit", type=_seconds, metavar="SECONDS", help="how long each part may take")
    one.add_argument("--fresh", action="store_true", help="forget what a stopped run has found")
    asked = commands.add_parser("run", parents=[one], help="ask all claims, or go on with a run that was stopped")
    asked.add_argument("--all", action="store_true", help="ask of all what is otherwise asked of a sample: 50 GB")
    listed = commands.add_parser("list", parents=[some], help="print the ids of claims, and what they say")
    listed.add_argument("--recorded", action="store_true", help="the ids of what `record` writes instead")
    commands.add_parser("record", parents=[one], help="write what the lab can learn from, into lab/upstream/recorded")
    kept = commands.add_parser("report", help="write the page of the last run, or the README's table")
    kept.add_argument(
        "--keep",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="merge reports (default: the last run's) into docs/reality/reality.json, and write the README's table",
    )
    kept.add_argument("--readme", action="store_true", help="write the README's table from docs/reality/reality.json")
    kept.add_argument("--check", action="store_true", help="fail where the README's table is not up to date")
    return top


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if (seconds := float(text)) >= 0:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: name 0 or more")


def _selected(names: str | None) -> dict[str, Part]:
    parts = known_parts()
    chosen = (names or "").replace(",", " ").split() or list(parts)
    unknown = [name for name in chosen if name not in parts]
    if unknown:
        raise EvenkeelError(f"There is no part {', '.join(unknown)}", f"Choose from {', '.join(parts)}")
    return {name: part for name, part in parts.items() if name in chosen}


def _run(options: argparse.Namespace, console: Console, build: Path) -> int:
    parts = _selected(options.parts)
    here = world.chosen(os.environ, build, everything=options.all)
    # Of all parts, so that what the environment names and can't be meant is refused before anything is asked.
    claims = _claims(known_parts(), here)
    asked = _like(options.only, [claim for claim in claims if claim.part in parts], _LIST)
    with alone(here.folder) as here.programs.lock:
        state = _state(options, here, asked)
        if not _has_network(parts, here):
            return NO_NETWORK
        try:
            whole, interrupted = _asked(parts, here, state, options, console)
        except OSError:
            _written(here, state, claims)
            raise
        written = _written(here, state, claims)
        return _end(written, state.of(asked), asked, console, whole=whole, interrupted=interrupted)


def _list(options: argparse.Namespace, console: Console, build: Path) -> int:
    here = world.chosen(os.environ, build)
    parts = _recorders(options.parts, here) if options.recorded else _selected(options.parts)
    listing = f"{_LIST} --recorded" if options.recorded else _LIST
    for claim in _like(options.only, _claims(parts, here), listing):
        console.out(in_one_line(f"{claim.id}  {claim.text}"), highlight=False)
    return WELL


def _claims(parts: Mapping[str, Part], here: world.World) -> list[Claim]:
    return [claim for part in parts.values() for claim in part.claims(here)]


def _like(pattern: str, claims: Iterable[Claim], listing: str) -> list[Claim]:
    """Return the claims whose ids are like a pattern.

    Raises
    ------
    EvenkeelError
        There is none; the error names the command that lists them.
    """
    found = [claim for claim in claims if claim.is_like(pattern)]
    if not found:
        raise EvenkeelError(f"No claim's id is like {pattern}", f"Take ids from {listing}")
    return found


def _state(options: argparse.Namespace, here: world.World, asked: Iterable[Claim]) -> State:
    path = here.folder / STATE
    return State.anew(path, asked) if options.fresh else State(path)


def _asked(
    parts: Mapping[str, Part], here: world.World, state: State, options: argparse.Namespace, console: Console
) -> tuple[bool, bool]:
    """Ask all parts, and return whether all of it has an answer, and whether that was interrupted."""
    whole = True
    state.start(parts, options.only)
    with shown.chosen(console) as watcher:
        try:
            for name, part in parts.items():
                whole = run(name, part, here, state, watcher, options.limit, options.only) and whole
        except KeyboardInterrupt:
            return False, True
    return whole, False


def _end(
    written: tuple[Path, Path],
    results: Mapping[str, Result],
    asked: Sequence[Claim],
    console: Console,
    *,
    whole: bool,
    interrupted: bool,
) -> int:
    counts = Counter(result.state for result in results.values())
    console.print(", ".join(f"{counts[one]} {one}" for one in STATES if counts[one]) or "nothing was asked")
    for part in dict.fromkeys(claim.part for claim in asked):
        for line in _left_out(part, [results[one.id] for one in asked if one.part == part and one.id in results]):
            console.print(in_one_line(line), markup=False)
    console.print(f"The report is {written[0]} and {written[1]}")
    return _status(results, whole=whole, interrupted=interrupted)


def _written(here: world.World, state: State, claims: Sequence[Claim]) -> tuple[Path, Path]:
    """Write the report of what has been found."""
    return report.written(report.of_run(claims, state.of(claims), here.name), here.folder)


def _left_out(name: str, results: Iterable[Result]) -> Iterator[str]:
    """Yield why a part was skipped as a whole."""
    reasons = Counter(result.detail if result.state == SKIPPED else "" for result in results)
    if reasons and not reasons[""]:
        yield f"{name} is left out: {reasons.most_common(1)[0][0]}"


def _status(results: Mapping[str, Result], *, whole: bool, interrupted: bool) -> int:
    """Return the status of a run, and say how to go on where it was stopped."""
    states = {result.state for result in results.values()}
    if interrupted:
        _complain("interrupted; the same command goes on from here")
        return INTERRUPTED
    if not whole:
        _complain("the time is over; the same command goes on from here")
    if DIFFERS in states:
        return OTHERWISE
    return WELL if whole and not states & {UNREACHABLE, FAILED} else UNFINISHED


def _has_network(parts: Mapping[str, Part], here: world.World) -> bool:
    """Return whether there is the network that some parts need; where there is none, say why."""
    why = no_network(here.sites) if any(part.NETWORK for part in parts.values()) else ""
    if why:
        others = " ".join(name for name, part in parts.items() if not part.NETWORK)
        _complain(f"no network: {why}" + (f'; PARTS="{others}" needs none' if others else ""))
    return not why


def no_network(sites: Sequence[str]) -> str:
    """Return why none of some sites can be reached, which takes some seconds; empty where one can."""
    reach = Reach(silence=_PREFLIGHT_SECONDS / 2)

    def ask(site: str) -> str:
        try:
            reach.head(site, retries=0)
        except RefusedError:
            return ""
        except TroubleError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(max_workers=len(sites)) as pool:
        answers = list(pool.map(ask, sites))
    if not all(answers):
        return ""
    if proxy_of(sites[0])[0]:
        return f"{answers[0]}; check {proxy_of(sites[0])[1]}"
    return f"none of {len(sites)} sites answers; of them {answers[0]}"


def _record(options: argparse.Namespace, console: Console, build: Path) -> int:
    here = world.chosen(os.environ, build / "record")
    if here.is_lab:
        raise EvenkeelError("The lab can't learn from itself", "Run without REALITY=lab")
    record.require_known(record.RECORDED)
    parts = _recorders(options.parts, here)
    asked = _like(options.only, _claims(parts, here), f"{_LIST} --recorded")
    with alone(here.folder) as here.programs.lock:
        state = _state(options, here, asked)
        if not _has_network(parts, here):
            return NO_NETWORK
        whole, interrupted = _asked(parts, here, state, options, console)
    results = state.of(asked)
    seen = {key: result for key, result in results.items() if result.state == PROVEN}
    changed = [key for key, result in seen.items() if result.detail == record.CHANGED]
    skipped = [f"{key} is left out: {result.detail}" for key, result in results.items() if result.state == SKIPPED]
    said = f"{len(seen)} of {len(results)} are recorded in {record.RECORDED}, {len(changed)} of them have changed"
    for line in (*skipped, *(f"{key} has changed" for key in changed), said):
        console.print(in_one_line(line), markup=False)
    return _status(results, whole=whole, interrupted=interrupted)


def _recorders(names: str | None, here: world.World) -> dict[str, Part]:
    """Return the parts from which the lab can learn."""
    selected = _selected(names)
    silent = [name for name, part in selected.items() if not hasattr(part, "sights")]
    if names and silent:
        raise EvenkeelError(
            f"There is nothing to record in {', '.join(silent)}", "Choose other parts, or leave them out"
        )
    return {
        name: record.Recorder(
            name,
            cast(Recording, part).sights(here),
            part.SECONDS,
            network=part.NETWORK,
            folder=record.RECORDED,
        )
        for name, part in selected.items()
        if name not in silent
    }


def _report(options: argparse.Namespace, console: Console, build: Path) -> int:
    if options.keep is None and not (options.readme or options.check):
        _data, page = report.written(_last(build), build)
        console.print(f"The page is {page}")
        return WELL
    claims = _claims(known_parts(), world.chosen({}, build))
    if options.keep is not None:
        news = [report.read(path) for path in options.keep] or [_last(build)]
        console.print(report.kept(news, claims, report.COMMITTED), markup=False)
    text = report.README.read_text(encoding="utf-8")
    new = report.in_readme(text, report.table(report.read(report.COMMITTED), claims))
    if options.check:
        if new != text:
            _complain("the README's table of what is proven is not up to date. Run make docs.")
        return WELL if new == text else OTHERWISE
    write_atomically(str(report.README), new)
    return WELL


def _last(build: Path) -> report.Report:
    """Return the report of the last run.

    Raises
    ------
    EvenkeelError
        There is none, or it can't be used.
    """
    path = build / report.JSON
    if not path.exists():
        raise EvenkeelError(f"{path} is not there: nothing has been asked", "Run make test-real")
    return report.read(path)


def take_ends() -> None:
    """Take the end of a job, of a session or of the machine for an interrupt: programs end, and a report is written."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hung_up)


def _hung_up(number: int, frame: FrameType | None) -> None:
    """Have what is still said go nowhere, where it went to the terminal that has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(nowhere, stream)
    signal.default_int_handler(number, frame)


if __name__ == "__main__":
    take_ends()
    sys.exit(main())
