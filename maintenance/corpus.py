# SPDX-License-Identifier: GPL-3.0-or-later
"""Put each environment file, lock and file of requirements below a folder through the lock pipeline; print a table.

    make corpus DIR=/srv/environments
    make corpus DIR=/srv/environments SYNTHETIC=yes

Each file is locked, refused (with all that the refusal says) or crashes, which is an error in Evenkeel; only crashes
make the exit status 1. Nothing is written below the folder. A file of requirements alone counts as an environment with
Python and that file. With SYNTHETIC=yes, a channel and a package index on loopback have whatever the files ask for, so
that reading and the pipeline are measured without the network.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, environment_file, locking, sources
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.targets import virtual_packages

from maintenance import synthetic_upstream

ENVIRONMENT, LOCK, EXPLICIT, REQUIREMENTS = "environment", "lock", "explicit", "requirements"
LOCKS = ("conda-lock.yml", "pixi.lock")
LOCKED, REFUSED, CRASHED = "locked", "refused", "crashed"
#: Larger files are no environments.
MOST_BYTES = 16 << 20
SECONDS = 600
#: Of an environment that has nothing but a file of requirements.
AROUND = "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n      - -r {name}\n"
_YAML = re.compile(r".+\.ya?ml")
_SECTION = re.compile(r"^dependencies\s*:", re.M)
#: How a refusal begins that lists what is wrong.
_LIST = re.compile(r" has \d+ mistakes:$")
_OWN_ERROR = "error in Evenkeel itself"


@dataclass(frozen=True)
class Options:
    """How to lock."""

    platforms: tuple[str, ...] = ("linux-64",)
    targets: tuple[str, ...] = ()
    cuda: str = ""
    mirrors: tuple[tuple[str, str], ...] = ()
    pip_index: str = ""
    seconds: float = SECONDS


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    path: str
    state: str
    #: What the refusal says, one reason each; of a crash, its traceback.
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0


def kind_of(path: Path, text: str) -> str | None:
    """Return which kind of file this is by its name and text; None when it is none of ours; pure."""
    name = path.name.lower()
    if name in LOCKS or name.endswith(".conda-lock.yml"):
        return LOCK
    if name.endswith((".txt", ".lock")) and "@EXPLICIT" in text.split():
        return EXPLICIT
    if name.endswith(".txt") and "requirements" in name:
        return REQUIREMENTS
    if _YAML.fullmatch(name) and _SECTION.search(text):
        return (
            ENVIRONMENT if "env" in name or name.startswith("conda.") or re.search("^channels:", text, re.M) else None
        )
    return None


def found_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a folder, at any depth, with their kinds; in the order of their paths."""
    for path in sorted(folder.rglob("*")):
        if ".git" in path.parts or not path.is_file() or path.stat().st_size > MOST_BYTES:
            continue
        if path.suffix in (".yml", ".yaml", ".txt", ".lock"):
            kind = kind_of(path, read_text(path, errors="replace"))
            if kind:
                yield path, kind


def copied(folder: Path, into: Path) -> Path:
    """Copy what environments may name, so that files can be put beside them, and return the copy."""
    for path in folder.rglob("*"):
        small = path.is_file() and path.stat().st_size <= MOST_BYTES
        if small and ".git" not in path.parts and path.suffix in (".yml", ".yaml", ".txt", ".lock", ".in"):
            target = into / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return into


def lock(path: Path, kind: str, options: Options) -> None:
    """Take a file through the pipeline.

    Raises
    ------
    EvenkeelError
        It is refused.
    """
    if kind in (LOCK, EXPLICIT):
        read_lock(path, kind, options)
        return
    if kind == REQUIREMENTS:
        beside = path.with_name(f".{path.name}.environment.yml")
        beside.write_text(AROUND.format(name=path.name))
        path = beside
    environment = environment_file.read(path)
    assumed = virtual_packages(options.targets, options.cuda or None)
    problems = locking.problems(
        environment,
        dict.fromkeys(options.platforms, assumed),
        mirrors_from(dict(options.mirrors)),
        options.pip_index,
        None,
        None,
    )
    plan = locking.plan(environment, {problem: resolve(problem) for problem in problems}, None)
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory, LOCKS[0])
        written.write_text(next(text for file, text in plan.files.items() if text and file.suffix == written.suffix))
        for platform in options.platforms:
            conda_lock.packages_for(conda_lock.read(written), platform, written)


def read_lock(path: Path, kind: str, options: Options) -> None:
    """Read a lock as a site does."""
    arguments = {kind: str(path), "mirrors": dict(options.mirrors), "pip_index": options.pip_index}
    with tempfile.TemporaryDirectory() as run:
        for platform in options.platforms:
            sources.load(arguments, platform, virtual_packages(options.targets, options.cuda or None), Path(run))


def outcome_of(path: Path, kind: str, options: Options) -> Outcome:
    """Return what becomes of a file in this process."""
    start = time.monotonic()
    state = LOCKED
    reasons: tuple[str, ...] = ()
    try:
        lock(path, kind, options)
    except EvenkeelError as error:
        state = CRASHED if _OWN_ERROR in error.remedy else REFUSED
        reasons = reasons_of(error, path)
    except BaseException:
        state, reasons = CRASHED, (traceback.format_exc(),)
    return Outcome(str(path), state, reasons, time.monotonic() - start)


def reasons_of(error: EvenkeelError, path: Path) -> tuple[str, ...]:
    """Return what a refusal says, one reason each, without the file's own path."""
    first, *more = [line.strip().removeprefix("- ") for line in error.what.splitlines() if line.strip()]
    if not more or not _LIST.search(first):
        more = [f"{' '.join([first, *more]).rstrip('. ')}. {error.remedy.rstrip('. ')}."]
    return tuple(line.replace(f"{path}: ", "").replace(str(path), path.name) for line in more)


def kind_of_reason(reason: str) -> str:
    """Return a reason without what is different in each file, to count reasons of one kind; pure."""
    reason = re.sub(r"^(\S*, line \d+|[\w.]+): ", "", reason)
    reason = re.sub(r"'[^']*'|\"[^\"]*\"|https?://\S+|\S*/\S*", "…", reason)
    reason = re.sub(r"\S*\d\S*", "…", reason)
    return re.sub(r"(…[,\s]*)+", "… ", reason)[:90].strip()


def in_process(file: tuple[Path, str], options: Options) -> Outcome:
    """Return what becomes of a file in a process of its own, whose death is a crash."""
    path, kind = file
    start = time.monotonic()
    context = multiprocessing.get_context("forkserver")
    reading, writing = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(path, kind, options, writing))
    process.start()
    writing.close()
    with contextlib.closing(reading):
        try:
            if reading.poll(options.seconds):
                answer: Outcome = reading.recv()
                return answer
            why = f"It did not end in {options.seconds:.0f} seconds"
        except EOFError:
            process.join()
            why = f"Its process ended with status {process.exitcode}"
        finally:
            process.kill()
            process.join()
    return Outcome(str(path), CRASHED, (why,), time.monotonic() - start)


def _tell(path: Path, kind: str, options: Options, writing: Connection) -> None:
    writing.send(outcome_of(path, kind, options))
    os._exit(0)  # py-rattler can crash when the interpreter is torn down


def row(outcome: Outcome) -> str:
    """Return a line for a file, and below it what its refusal says."""
    first = f"{outcome.state:<8} {outcome.seconds:6.1f} s  {outcome.path}"
    return "\n".join([first, *(f"{'':20}{line}" for reason in outcome.reasons for line in reason.splitlines())])


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how many files were locked, refused by each kind of reason, and crashed."""
    states = Counter(outcome.state for outcome in outcomes)
    kinds = Counter(
        (outcome.state, kind)
        for outcome in outcomes
        for kind in dict.fromkeys(kind_of_reason(reason) for reason in outcome.reasons)
        if outcome.state == REFUSED
    )
    found = [f"{len(outcomes):5} files"]
    found += [f"{states[state]:5} {state}" for state in (LOCKED, REFUSED, CRASHED)]
    return found + [f"{count:5} {state}: {kind}" for (state, kind), count in kinds.most_common()]


def asked_by(files: Iterable[tuple[Path, str]], folder: Path) -> synthetic_upstream.Asked:
    """Return what the files, and the texts beside them, ask for."""
    asked = synthetic_upstream.Asked()
    texts = {path for path, kind in files if kind != LOCK} | set(folder.rglob("*.txt"))
    for path in sorted(texts):
        asked.add_file(read_text(path, errors="replace"))
    return asked


def run(folder: Path, options: Options, jobs: int, *, synthetic: bool) -> Iterator[Outcome]:
    """Yield what becomes of each file below a folder; paths are relative to it."""
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evenkeel-corpus-")))
        copy = copied(folder, work / "files")
        files = list(found_below(copy))
        if synthetic:
            asked = asked_by(files, copy)
            url = stack.enter_context(synthetic_upstream.serving(asked))
            os.environ.update(
                {name: str(work / name) for name in ("XDG_CACHE_HOME", "RATTLER_CACHE_DIR", "UV_CACHE_DIR")}
            )
            pairs: Mapping[str, str] = synthetic_upstream.mirrors(asked.hosts, url)
            options = replace(options, mirrors=tuple(pairs.items()), pip_index=f"{url}/simple")
        multiprocessing.set_forkserver_preload([__name__])
        with ThreadPoolExecutor(jobs) as pool:
            for outcome in pool.map(partial(in_process, options=options), files):
                yield relative(outcome, copy)


def relative(outcome: Outcome, folder: Path) -> Outcome:
    """Return an outcome without the place of the copy."""
    reasons = tuple(reason.replace(f"{folder}/", "") for reason in outcome.reasons)
    return Outcome(str(Path(outcome.path).relative_to(folder)), outcome.state, reasons, outcome.seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="corpus", description="Put a folder's environment files through the lock.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--platform", action="append", dest="platforms", help="default: linux-64; can be repeated")
    parser.add_argument("--target", action="append", dest="targets", default=[], help="default: all; can be repeated")
    parser.add_argument("--cuda", default="", help="the CUDA version that the nodes' drivers support")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes at once")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for one file; more is a crash")
    parser.add_argument("--pip-index", default="", help="default: the one that uv is configured to ask")
    parser.add_argument(
        "--mirror", action="append", default=[], metavar="PREFIX=URL", help="what to ask in place of a prefix of URLs"
    )
    parser.add_argument("--synthetic", action="store_true", help="solve against what the files ask for, on loopback")
    given = parser.parse_args()
    if not given.folder.is_dir():
        print(f"{given.folder} is not a folder. Name one with environment files.", file=sys.stderr)
        return 2
    mirrors = tuple((prefix, url) for prefix, _equals, url in (text.partition("=") for text in given.mirror))
    options = Options(
        platforms=tuple(given.platforms or ("linux-64",)),
        targets=tuple(given.targets),
        cuda=given.cuda,
        mirrors=mirrors,
        pip_index=given.pip_index,
        seconds=given.seconds,
    )
    outcomes = []
    for outcome in run(given.folder, options, given.jobs, synthetic=given.synthetic):
        outcomes.append(outcome)
        print(row(outcome), flush=True)
    print("\n".join(["", *summary(outcomes)]))
    return 1 if any(outcome.state == CRASHED for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
