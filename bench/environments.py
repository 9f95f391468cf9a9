# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare building, checking and verifying an environment with the least that the file system could need for it.

Everything happens below one folder of this machine, with the packages of the lab's mirror, in turn and several times.
The yardsticks are ``cp -al`` of the result, ``sha256sum`` of its files and, with ``--conda``, a real conda's explicit
installation of the same packages. None of these waits until the disk has what was written, so builds beside them do not
either; what the wait costs is a table of its own. It reports; it judges nothing.

    make bench-environments
    PYTHONPATH=collections python -m bench.environments --only disk --unwritten 10
    make bench-environments CONDA=/opt/miniconda3/bin/conda
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, cast
from unittest.mock import patch

import uv
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    environment,
    environment_apply,
    environment_plan,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import compile_environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import Python, python_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Desired, Policy
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import RATTLER, Job, Tools, install
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import verify_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import compiler, store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHosts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import this_platform
from rich.console import Console
from rich.table import Table

ROUNDS = 5
SIZES = (25, 50, 100)
SPECS = ("python=3.11", "ipykernel", "jupyterlab", "matplotlib", "numpy", "pandas", "scikit-learn", "scipy")
NAME = "bench"
CONSOLE = Console(highlight=False)


class Quiet:
    """Nobody to tell how far a build is."""

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Say nothing."""


class Workplace:
    """A node's ``/opt/evenkeel``, in a folder of this machine."""

    def __init__(self, root: Path, packages: Sequence[Package], conda: str = "") -> None:
        self.root, self.packages = root, tuple(packages)
        runtime = root / "runtime"
        (runtime / "bin").mkdir(parents=True, exist_ok=True)
        if not (runtime / "bin" / "uv").exists():
            (runtime / "bin" / "uv").symlink_to(uv.find_uv_bin())
            (runtime / "site-packages").symlink_to(next(path for path in sys.path if path.endswith("site-packages")))
        self.tools = Tools(conda, sys.executable, str(runtime))
        self.number = 0
        #: Bytecode that was compiled elsewhere.
        self.offer: Offer | None = None

    def build(self, installer: str = RATTLER, *, bytecode: bool = True, on_disk: bool = False) -> Path:
        """Build the environment under a name that nobody has yet, as the module does, and return its place.

        Parameters
        ----------
        on_disk
            Whether to wait until the disk has it, as the module does.
        """
        self.number += 1
        name = f"{NAME}-{self.number}"
        root = str(self.root)
        with held(f"{root}/locks/pkgs", 0) as lock:

            def made(target: Generation) -> str:
                job = Job(name, target.path, target.packages, SPECS, f"{root}/pkgs", lock, 60, "", Quiet())
                job = replace(job, offer=self.offer)
                if bytecode:
                    builder.build(job, installer, self.tools)
                else:
                    install(job, installer, self.tools)
                return installer

            state = environment.read(root, name)
            plan = environment_plan.plan(state, root, name, Desired(self.packages), Policy())
            with nullcontext() if on_disk else patch.object(environment_apply, "sync_file_systems"):
                environment_apply.apply(plan, root, name, made)
        return (self.root / "envs" / name).resolve()

    def check(self) -> bool:
        """Check the last environment as a run that changes nothing does."""
        name, root = f"{NAME}-{self.number}", str(self.root)
        desired = Desired(self.packages)
        state = environment.read(root, name, desired.digest, 3)
        return environment_plan.plan(state, root, name, desired, Policy(keep=3)).changed

    def forget_packages(self) -> None:
        """Make the caches cold."""
        self.set_aside(self.root / "pkgs")

    def set_aside(self, folder: Path) -> None:
        """Move a folder away; it is removed at the end.

        For minutes after many files were removed, ext4 makes new ones ten times more slowly: it passes over inodes that
        were freed in the last minutes (``recently_deleted`` in fs/ext4/ialloc.c).
        """
        aside = self.root / "aside"
        aside.mkdir(exist_ok=True)
        if folder.exists():
            folder.rename(aside / str(len(list(aside.iterdir()))))


@contextmanager
def timed(taken: list[float]) -> Iterator[None]:
    """Add the seconds on the wall clock."""
    start = time.perf_counter()
    yield
    taken.append(time.perf_counter() - start)


def unwritten() -> float:
    """Return how many GB this machine has yet to write to its disks."""
    found = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(found[name].split()[0]) for name in ("Dirty", "Writeback")) / 1e6


def write_without_waiting(path: Path, gigabytes: int) -> None:
    """Write a file as somebody else may do meanwhile."""
    block = os.urandom(1 << 20)
    with path.open("wb") as stream:
        for _ in range(gigabytes * 1000):
            stream.write(block)


def resolved(mirror: str) -> list[Package]:
    """Solve the environment against the lab's channel, in a process of its own."""
    program = (
        "import json, os, sys\n"
        "from bench.environments import SPECS\n"
        "from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import load\n"
        "from dataclasses import asdict\n"
        "from pathlib import Path\n"
        "import tempfile\n"
        f"arguments = {{'packages': list(SPECS), 'channels': ['{mirror}/anaconda/pkgs/main']}}\n"
        "with tempfile.TemporaryDirectory() as run:\n"
        "    found = load(arguments, 'linux-64', {'__glibc': '2.36', '__unix': '0'}, Path(run))\n"
        "print(json.dumps([asdict(package) for package in found.packages]), flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return [from_mapping(fields) for fields in json.loads(done.stdout)]


def linked(source: Path) -> Path:
    """Copy an environment by hardlinks alone, and return the copy."""
    copy = source.with_name(f"{source.name}-floor")
    subprocess.run(["cp", "-al", str(source), str(copy)], check=True)
    return copy


def conda_create(conda: str, prefix: Path, packages: Sequence[Package], cache: Path) -> None:
    """Let a real conda install the same packages."""
    explicit = prefix.with_suffix(".txt")
    explicit.write_text("@EXPLICIT\n" + "".join(f"{one.url}#{one.md5}\n" for one in packages))
    variables = {"CONDA_PKGS_DIRS": str(cache), "CONDA_REGISTER_ENVS": "false"}
    argv = [conda, "create", "--quiet", "--yes", "--prefix", str(prefix), "--file", str(explicit)]
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **variables})


def report_builds(place: Workplace, conda: str) -> None:
    """Cold and warm builds beside the floor and beside conda."""
    scratch = place.root / "scratch"
    scratch.mkdir()
    names = ["cold", "warm", "floor"] + (["conda, cold", "conda, warm"] if conda else [])
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(ROUNDS):
        place.forget_packages()
        with timed(taken["cold"]):
            place.build(bytecode=False)
        if conda:
            with timed(taken["conda, cold"]):
                conda_create(conda, scratch / f"cold-{turn}", place.packages, scratch / f"pkgs-{turn}")
    place.build()
    for turn in range(ROUNDS):
        with timed(taken["warm"]):
            built = place.build()
        with timed(taken["floor"]):
            copy = linked(built)
        place.set_aside(copy)
        if conda:
            with timed(taken["conda, warm"]):
                conda_create(conda, scratch / f"warm-{turn}", place.packages, scratch / "pkgs-0")
    files = sum(len(names) for _, _, names in os.walk(built))
    show(f"Building {len(place.packages)} packages, {files} files with bytecode", taken, "floor")


def report_disk(place: Workplace, gigabytes: int) -> None:
    """What it costs to wait for the disk, also beside what others have not written yet."""
    names = [f"{caches}, {how}" for caches in ("cold", "warm") for how in ("not waiting", "on the disk")]
    beside = f"warm, on the disk, beside {gigabytes} GB of others'"
    taken: dict[str, list[float]] = {name: [] for name in names}
    waiting: list[float] = []
    for _ in range(ROUNDS):
        for name in names:
            if name.startswith("cold"):
                place.forget_packages()
            os.sync()
            with timed(taken[name]):
                place.build(on_disk=name.endswith("on the disk"))
    others = place.root / "others"
    for _ in range(ROUNDS if gigabytes else 0):
        os.sync()
        write_without_waiting(others, gigabytes)
        waiting.append(unwritten())
        with timed(taken.setdefault(beside, [])):
            place.build(on_disk=True)
        others.unlink()
    show("Waiting until the disk has it", taken, names[2])
    if waiting:
        CONSOLE.print(f"When these builds began, {statistics.median(waiting):.1f} GB were not written yet")


def report_bytecode(place: Workplace) -> None:
    """The compile step on one core and on all of them, from nothing; with it, a cold build beside conda's."""
    cores = sorted(os.sched_getaffinity(0))
    taken: dict[str, list[float]] = {f"{count} workers": [] for count in sorted({1, len(cores)})}
    prefix = place.build(bytecode=False)
    for _ in range(2):
        for count in sorted({1, len(cores)}):
            place.set_aside(place.root / "pkgs" / "bytecode")
            copy = prefix.with_name(f"{prefix.name}-compiled")
            subprocess.run(["cp", "-al", str(prefix), str(copy)], check=True)
            job = Job(NAME, str(copy), place.packages, SPECS, f"{place.root}/pkgs", 2, 60, "", Quiet())
            with timed(taken[f"{count} workers"]):
                compile_environment(job, workers=count)
            place.set_aside(copy)
    show("Compiling all bytecode once", taken, f"{len(cores)} workers")


@contextmanager
def compiled_elsewhere(packages: Sequence[Package], directory: Path) -> Iterator[Offer]:
    """Compile all bytecode as compile.yml does, and serve it on loopback."""
    python = next(package for package in packages if package.name == "python")
    policy = compiler.Policy(BuildHosts("", [], lambda name: sys.exit(name)), without_sandbox=True)
    target = Target(python.version, this_platform(), "2.36")
    found = compiler.compile_packages(policy, target, packages, compiler.candidates(packages), Mirrors(), {})
    contents = {package.sha256: store.packed(files) for package, files in found.bytecode.items() if files}
    store.add(directory, contents.values())
    archives = {package: store.archive_of(content) for package, content in contents.items()}
    CONSOLE.print(f"{len(archives)} archives, {sum(one.size for one in archives.values()) / 1e6:.1f} MB")
    command = [sys.executable, "-um", "http.server", "--bind", "127.0.0.1", "--directory", str(directory), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            port = cast(IO[str], server.stdout).readline().split(" port ")[1].split()[0]
            runs = cast(Python, python_of(packages))
            yield Offer(runs.tag, found.magic, archives, f"http://127.0.0.1:{port}")
        finally:
            server.kill()


def report_fleet(place: Workplace) -> None:
    """Cold builds of the first node of a fleet, which compiles, and of the others, beside no bytecode at all."""
    base = "download and link alone"
    taken: dict[str, list[float]] = {base: [], "bytecode from a store": [], "bytecode compiled on the node": []}
    with compiled_elsewhere(place.packages, place.root / "store") as offer:
        for _ in range(ROUNDS):
            for name in taken:
                place.forget_packages()
                place.offer = offer if name == "bytecode from a store" else None
                with timed(taken[name]):
                    place.build(bytecode=name != base)
    show("Cold builds of a fleet's nodes", taken, base)


def report_checks(place: Workplace) -> None:
    """A check that changes nothing, and hashing of every file beside sha256sum."""
    prefix = place.build()
    taken: dict[str, list[float]] = {"check": [], "verify: files": [], "sha256sum": []}
    amount = 0
    for _ in range(ROUNDS):
        with timed(taken["check"]):
            place.check()
        with timed(taken["verify: files"]):
            amount = verify_files(str(prefix)).hashed_bytes
        with timed(taken["sha256sum"]):
            command = f"find {prefix} -type f -print0 | xargs -0 -P {os.cpu_count()} -n 256 sha256sum >/dev/null"
            subprocess.run(["bash", "-c", command], check=True)
    show("Looking for drift", taken, "sha256sum")
    for name in ("verify: files", "sha256sum"):
        speed = amount / statistics.median(taken[name]) / 1e6
        CONSOLE.print(f"{name}: {speed:.0f} MB/s on {os.cpu_count()} cores")


def report_growth(root: Path, packages: Sequence[Package]) -> None:
    """Time and memory by number of packages, each in a process of its own."""
    python = [package for package in packages if package.name == "python"]
    others = [package for package in packages if package.name != "python"]
    table = Table("packages", "files", "warm s", "s per 1000 files", "memory MB", title="Growth")
    for size in SIZES:
        chosen = [*python, *others[: size - 1]]
        workplace = root / f"growth-{size}"
        workplace.mkdir()
        (workplace / "packages.json").write_text(json.dumps([asdict(package) for package in chosen]))
        argv = [sys.executable, "-m", "bench.environments", "--growth", str(workplace)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        each = found["seconds"] / found["files"] * 1000
        table.add_row(
            str(size), str(found["files"]), f"{found['seconds']:.2f}", f"{each:.3f}", f"{found['megabytes']:.0f}"
        )
    CONSOLE.print(table)


def growth(root: Path) -> None:
    """Measure warm builds of the packages that ``root`` names, and print seconds, files and peak memory."""
    packages = [from_mapping(fields) for fields in json.loads((root / "packages.json").read_text())]
    place = Workplace(root, packages)
    place.build()
    taken: list[float] = []
    for _ in range(ROUNDS):
        with timed(taken):
            prefix = place.build()
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    files = sum(len(names) for _, _, names in os.walk(prefix))
    print(json.dumps({"seconds": statistics.median(taken), "files": files, "megabytes": peak / 1000}))


def report_sharing(place: Workplace) -> None:
    """What a second environment of the same packages adds on disk."""
    first, second = place.build(), place.build()
    amounts = subprocess.run(["du", "-sm", str(first), str(second)], check=True, capture_output=True, text=True)
    one, two = (line.split()[0] for line in amounts.stdout.splitlines())
    CONSOLE.print(f"On disk: the first environment {one} MB, a second one of the same packages {two} MB more")


def show(title: str, taken: dict[str, list[float]], base: str) -> None:
    """Print medians, and ratios to one of them."""
    table = Table("what", "median s", "min s", "max s", f"ratio to {base}", title=title)
    for name, values in taken.items():
        median = statistics.median(values)
        ratio = median / statistics.median(taken[base])
        table.add_row(name, f"{median:.3f}", f"{min(values):.3f}", f"{max(values):.3f}", f"{ratio:.2f}")
    CONSOLE.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--conda", default="", help="a real conda to compare with")
    parser.add_argument("--only", choices=sorted(REPORTS), help="one of the tables")
    parser.add_argument("--unwritten", type=int, default=0, help="GB that others write meanwhile, in the table disk")
    parser.add_argument("--growth", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.growth:
        growth(arguments.growth)
        return
    from lab.upstream import mirror

    packages = resolved(mirror.url())
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:  # noqa: S108
        for name, report in REPORTS.items():
            if arguments.only in (None, name):
                root = Path(folder) / name
                root.mkdir()
                report(root, packages, arguments)


REPORTS: dict[str, Callable[[Path, Sequence[Package], argparse.Namespace], Any]] = {
    "builds": lambda root, packages, given: report_builds(Workplace(root, packages, given.conda), given.conda),
    "disk": lambda root, packages, given: report_disk(Workplace(root, packages), given.unwritten),
    "bytecode": lambda root, packages, given: report_bytecode(Workplace(root, packages)),
    "fleet": lambda root, packages, given: report_fleet(Workplace(root, packages)),
    "checks": lambda root, packages, given: report_checks(Workplace(root, packages)),
    "growth": lambda root, packages, given: report_growth(root, packages),
    "sharing": lambda root, packages, given: report_sharing(Workplace(root, packages)),
}


if __name__ == "__main__":
    main()
