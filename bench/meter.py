# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a program takes: of the control node, of nodes of the lab, and of their mirror."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab import paths
from lab.nodes import nodes, podman
from lab.nodes.nodes import Node
from lab.upstream import mirror, mirror_server

ROOT = Path(__file__).parents[1]
#: Seconds between two looks at the memory.
PAUSE = 0.2
#: prctl(2): processes whose parent has ended become children of this one.
_PR_SET_CHILD_SUBREAPER = 36
_REQUEST = re.compile(r'^\S+ \S+ (?P<address>\S+) "GET (?P<path>\S+) [^"]*" (?P<status>\d+) ')
_INTERFACE = re.compile(r"^\s*eth0:\s*(?P<received>\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Spent:
    """What a program took on the control node, with all that it has started.

    Attributes
    ----------
    wall, cpu
        Seconds on the clock, and of processors.
    alone
        MiB of the program itself, when it had no children.
    peak
        MiB at the moment when most was in use.
    workers
        How many children it had at that moment.
    """

    wall: float
    cpu: float
    alone: float
    peak: float
    workers: int

    @property
    def each(self) -> float:
        """MiB of each child, beyond what the program held alone."""
        return max(0.0, self.peak - self.alone) / self.workers if self.workers else 0.0


def run(argv: Sequence[str], variables: Mapping[str, str]) -> Spent:
    """Run a program in the project's root to its end, and return what it took.

    What it leaves in the background, such as ssh for the next run, is ended and counts.
    """
    alone = peak = 0.0
    workers = 0
    with tempfile.TemporaryFile("w+") as output, _adopted_orphans():
        before, begin = _children_cpu(), time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=ROOT, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        while not (ended := os.waitpid(process.pid, os.WNOHANG))[0]:
            used = {pid: memory(pid) for one in children(os.getpid()) for pid in tree(one)}
            of_workers = [used[pid] for pid in children(process.pid) if used.get(pid)]
            total = sum(used.values())
            if not of_workers:
                alone = max(alone, total)
            elif total > peak:
                peak, workers = total, len(of_workers)
            time.sleep(PAUSE)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        output.seek(0)
        shown = output.read()
    if process.returncode != 0:
        sys.exit(f"{' '.join(argv)} has failed:\n{shown}")
    return Spent(wall, _children_cpu() - before, alone, max(alone, peak), workers)


@contextlib.contextmanager
def _adopted_orphans() -> Iterator[None]:
    """Have what programs leave behind become children of this one; end it, and wait for it."""
    others = set(children(os.getpid()))
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        while orphans := set(children(os.getpid())) - others:
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGTERM)
                    os.waitpid(pid, 0)
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def children(pid: int) -> list[int]:
    """Return the children of a process, none where it has ended."""
    try:
        listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for text in listed for child in text.split()]


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started; those that end meanwhile are left out."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def memory(pid: int) -> float:
    """Return a process's memory in MiB, 0 where it has ended; what several share is divided among them."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


@dataclass(frozen=True)
class Counters:
    """What some nodes have taken so far, all of them together.

    Attributes
    ----------
    cpu
        Seconds of processors.
    received
        Bytes that have come over the network.
    upstream
        Bytes of these that the mirror has sent.
    """

    cpu: float
    received: int
    upstream: int

    def since(self, before: Counters) -> Counters:
        """Return what was taken between two readings."""
        return Counters(self.cpu - before.cpu, self.received - before.received, self.upstream - before.upstream)


class Gauge:
    """Reads the counters of containers of the lab from outside, so that no reading costs a node anything."""

    def __init__(self, of: Sequence[Node]) -> None:
        self.nodes = of
        self._begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    @cached_property
    def _processes(self) -> list[int]:
        names = [nodes.container_name(node.group, node.name) for node in self.nodes]
        return [int(pid) for pid in podman.run("inspect", "--format={{.State.Pid}}", *names).split()]

    def read(self) -> Counters:
        """Return what the nodes have taken; what the mirror has sent counts since this gauge was made."""
        log = podman.run("logs", f"--since={self._begin}", mirror.NAME)
        sent = upstream(log.splitlines(), {node.address for node in self.nodes}, size_at_mirror)
        cpu = sum(cpu_seconds(Path(f"/proc/{pid}/root/sys/fs/cgroup")) for pid in self._processes)
        return Counters(cpu, sum(received(Path(f"/proc/{pid}/net/dev").read_text()) for pid in self._processes), sent)

    def memory(self) -> float:
        """Return MiB of all processes of the nodes."""
        spaces = {Path(f"/proc/{pid}/ns/pid").readlink() for pid in self._processes}
        return sum(memory(pid) for pid in _processes_in(spaces))


def _processes_in(spaces: Collection[Path]) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "ns/pid").readlink() in spaces:
                yield int(entry.name)


def cpu_seconds(cgroups: Path) -> float:
    """Return the seconds of processors that a container's cgroup has taken, of either version."""
    legacy = cgroups / "cpuacct" / "cpuacct.usage"
    if legacy.exists():
        return int(legacy.read_text()) / 1e9
    fields = dict(line.split() for line in (cgroups / "cpu.stat").read_text().splitlines())
    return int(fields["usage_usec"]) / 1e6


def received(text: str) -> int:
    """Return the bytes that an interface list says to have come from the lab's network."""
    found = _INTERFACE.search(text)
    return int(found["received"]) if found else 0


def upstream(log: Iterable[str], addresses: Collection[str], size: Callable[[str], int]) -> int:
    """Return how many bytes of files a mirror has sent to some addresses, as its log says.

    Parameters
    ----------
    size
        Returns the size of what a path names.
    """
    sent = 0
    for line in log:
        found = _REQUEST.match(line)
        if found and found["address"] in addresses and found["status"] in {"200", "206"}:
            sent += size(found["path"])
    return sent


def size_at_mirror(path: str) -> int:
    """Return the size of a file of the lab's mirror, 0 where there is none."""
    request = mirror_server.parse_path(path)
    file = mirror_server.file_below(paths.WWW, request.path) if request else None
    return file.stat().st_size if file and file.is_file() else 0
