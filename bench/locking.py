# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare locking an environment with conda-lock and pixi, where they can be had, and with py-rattler's solver alone.

Each program locks the same environment.yml, in turn and several times, as a process of its own and with empty caches,
against a channel of made packages on this machine: every one in several versions, each needing a few others. It has no
packages of pip. It reports; it judges nothing.

    make bench-locking
    make bench-locking PIXI=/path/to/pixi CONDA_LOCK=/path/to/conda-lock
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

SIZES = (10, 100, 400)
ROUNDS = 5
VERSIONS = 8
PLATFORM = "linux-64"
FLOOR = "solver alone"
CONSOLE = Console(highlight=False)


def name(number: int) -> str:
    """Return the name of a package."""
    return f"made-{number:03}"


def needed(number: int) -> list[int]:
    """Return the packages that one needs: earlier ones, near and far, so that the last one needs them all."""
    return sorted({number - 1, number // 2, number // 3}) if number else []


def repodata(size: int) -> Mapping[str, object]:
    """Return the index of a channel of ``size`` packages; a version needs no older than its own of others."""
    packages = {}
    for number in range(size):
        for version in range(1, VERSIONS + 1):
            stem = f"{name(number)}-{version}.0-0"
            packages[f"{stem}.conda"] = {
                "build": "0",
                "build_number": 0,
                "depends": [f"{name(other)} >={version}.0" for other in needed(number)],
                "md5": hashlib.md5(stem.encode(), usedforsecurity=False).hexdigest(),
                "name": name(number),
                "noarch": "generic",
                "sha256": hashlib.sha256(stem.encode()).hexdigest(),
                "size": 1,
                "subdir": "noarch",
                "timestamp": 1_700_000_000_000,
                "version": f"{version}.0",
            }
    return {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": packages, "repodata_version": 1}


def prepare(root: Path, size: int) -> Path:
    """Write a channel, an environment.yml and a pixi.toml that ask for its last package, and return the folder."""
    folder = root / str(size)
    empty = {"info": {"subdir": PLATFORM}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
    for subdir, index in (("noarch", repodata(size)), (PLATFORM, empty)):
        place = folder / "channel" / subdir
        place.mkdir(parents=True)
        (place / "repodata.json").write_text(json.dumps(index))
    channel = (folder / "channel").as_uri()
    spec = f"{name(size - 1)} <{VERSIONS}.0"
    (folder / "environment.yml").write_text(f"channels:\n  - {channel}\ndependencies:\n  - {spec}\n")
    (folder / "pixi.toml").write_text(
        f'[workspace]\nname = "bench"\nchannels = ["{channel}"]\nplatforms = ["{PLATFORM}"]\n\n'
        f'[dependencies]\n{name(size - 1)} = "<{VERSIONS}.0"\n'
    )
    return folder


def lock(folder: Path) -> int:
    """Lock as Evenkeel does, and return how many packages there are."""
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file, locking
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve

    environment = environment_file.read(folder / "environment.yml")
    problems = locking.problems(environment, {PLATFORM: {"__glibc": "2.36"}}, Mirrors(), "", None, None)
    plan = locking.plan(environment, {problem: resolve(problem) for problem in problems}, None)
    locking.apply(plan)
    return len(plan.after.packages[PLATFORM])


def solve(folder: Path) -> int:
    """Solve with py-rattler and nothing around it, and return how many packages there are."""
    from rattler import Channel, Gateway, MatchSpec
    from rattler import solve as rattler_solve

    spec = (folder / "environment.yml").read_text().rpartition("- ")[2].strip()
    channel = Channel((folder / "channel").as_uri())
    solving = rattler_solve([channel], [MatchSpec(spec)], gateway=Gateway(), platforms=[PLATFORM, "noarch"])
    return len(asyncio.run(solving))


def commands(folder: Path, pixi: str, conda_lock: str) -> dict[str, list[str]]:
    """Return what locks the environment of a folder, by name; of others only what there is."""
    found = {
        FLOOR: [sys.executable, "-m", "bench.locking", "--solve", str(folder)],
        "evenkeel": [sys.executable, "-m", "bench.locking", "--lock", str(folder)],
    }
    if pixi:
        found["pixi"] = [pixi, "lock", "--manifest-path", str(folder / "pixi.toml")]
    if conda_lock:
        files = ["--file", str(folder / "environment.yml"), "--lockfile", str(folder / "by-conda-lock.yml")]
        found["conda-lock"] = [conda_lock, "lock", "--platform", PLATFORM, *files]
    return found


@contextmanager
def empty_caches(folder: Path) -> Iterator[dict[str, str]]:
    """Remove the locks of a folder, and yield an environment in which all caches are empty."""
    for file in ("conda-lock.yml", f"conda-{PLATFORM}.lock", "by-conda-lock.yml", "pixi.lock"):
        (folder / file).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as home:
        caches = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "RATTLER_CACHE_DIR", "PIXI_CACHE_DIR"), home)
        yield {**os.environ, **caches, "CONDA_PKGS_DIRS": f"{home}/pkgs"}


def measured(folder: Path, programs: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """Return the seconds of each program, measured in turn."""
    taken: dict[str, list[float]] = {program: [] for program in programs}
    for _ in range(ROUNDS):
        for program, command in programs.items():
            with empty_caches(folder) as environment:
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=environment)
                taken[program].append(time.perf_counter() - start)
    return taken


def show(size: int, taken: Mapping[str, Sequence[float]]) -> None:
    """Print medians, and ratios to the solver alone."""
    table = Table("what", "median s", "min s", "max s", f"ratio to {FLOOR}", title=f"Locking {size} packages")
    for program, values in taken.items():
        median = statistics.median(values)
        ratio = median / statistics.median(taken[FLOOR])
        table.add_row(program, f"{median:.3f}", f"{min(values):.3f}", f"{max(values):.3f}", f"{ratio:.2f}")
    CONSOLE.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pixi", default=shutil.which("pixi") or "", help="default: the one in PATH")
    parser.add_argument("--conda-lock", default=shutil.which("conda-lock") or "", help="default: the one in PATH")
    parser.add_argument("--lock", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--solve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.lock or given.solve:
        print(lock(given.lock) if given.lock else solve(given.solve), flush=True)
        os._exit(0)  # py-rattler can crash when the interpreter is torn down
    for program, path in (("pixi", given.pixi), ("conda-lock", given.conda_lock)):
        if not path:
            CONSOLE.print(f"{program} is not there, so nothing is compared with it")
    with tempfile.TemporaryDirectory() as directory:
        for size in SIZES:
            folder = prepare(Path(directory), size)
            show(size, measured(folder, commands(folder, given.pixi, given.conda_lock)))


if __name__ == "__main__":
    main()
