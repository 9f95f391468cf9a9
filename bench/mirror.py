# SPDX-License-Identifier: GPL-3.0-or-later
"""A package mirror on a node of the lab beside the wire, and twenty builds at once through it beside builds without it.

The wire is the node's nginx that gives out the same file. All is measured in turn, in one run.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import site
from lab import wait
from lab.nodes import nodes, podman
from lab.nodes.nodes import Node
from lab.upstream import mirror as lab_mirror

GROUP = "bench-mirror"
ROUNDS = 3
CLIENTS = 20
#: In MB.
LARGE = 500
STATIC, MIRROR = 8081, 8008
PREPARE = f"""
echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {{mirror}}/debian bookworm main' \\
    >/etc/apt/sources.list.d/lab.list
mkdir -p /srv/bench/file && head -c {LARGE}000000 /dev/urandom >/srv/bench/file/large-1-0.conda
"""
SERVER = f"""
cat >/etc/nginx/conf.d/bench.conf <<'END'
server {{
    listen {STATIC};
    root /srv/bench;
    sendfile on;
    tcp_nopush on;
    access_log off;
}}
END
nginx -s reload
"""
#: One who builds an environment with a cache of its own, by the installer that nodes have.
BUILD = """
import asyncio, os, sys
from rattler import VirtualPackage, install, solve
channel, place = sys.argv[1:]
asked = solve([channel], ["python=3.11"], platforms=["linux-64", "noarch"],
              virtual_packages=VirtualPackage.detect())
asyncio.run(install(asyncio.run(asked), f"{place}/env", cache_dir=f"{place}/cache"))
os._exit(0)  # a thread of py-rattler's that is not done yet aborts an interpreter that ends
"""
ONE = "one, without a mirror"
CHANNEL = "/anaconda/pkgs/main"
FILE = "/file/large-1-0.conda"


@dataclass(frozen=True)
class Mirror:
    """The node with the mirror, and the wire beside it."""

    node: Node

    def run(self, script: str) -> str:
        """Run a script on the node."""
        return podman.run("exec", nodes.container_name(GROUP, self.node.name), "sh", "-ec", script)

    def counted(self) -> tuple[int, int]:
        """Return how many bytes the mirror has sent, and received from upstreams."""
        sent, received = re.findall(r"(\d+) bytes", self.run("evenkeel-package-mirror status"))
        return int(sent), int(received)

    def forget(self, path: str) -> None:
        """Make the mirror cold for a path."""
        self.run(f"evenkeel-package-mirror purge {path}")

    def listens(self) -> bool:
        """Whether the wire is there, for which nginx has to reload."""
        try:
            socket.create_connection((self.node.address, STATIC)).close()
        except OSError:
            return False
        return True

    def fetch(self, port: int, path: str) -> float:
        """Return the seconds that a whole file takes."""
        buffer = memoryview(bytearray(1 << 20))
        begin = time.perf_counter()
        connection = http.client.HTTPConnection(self.node.address, port)
        connection.request("GET", path)
        answer = connection.getresponse()
        while answer.readinto(buffer):
            pass
        connection.close()
        return time.perf_counter() - begin


def builds(channel: str, count: int) -> float:
    """Return the seconds until so many builds that begin at once have all ended."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        running = [
            subprocess.Popen([sys.executable, "-c", BUILD, channel, str(Path(folder, str(number)))])
            for number in range(count)
        ]
        ended = [build.wait() for build in running]
        if any(ended):
            sys.exit(f"A build from {channel} has failed")
        return time.perf_counter() - begin


def medians(measures: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of each, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _round in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(times) for name, times in found.items()}


def start() -> Mirror:
    """Return a fresh mirror."""
    (node,) = site.fresh_nodes(GROUP, 1)
    mirror = Mirror(node)
    mirror.run(PREPARE.format(mirror=lab_mirror.url()))
    upstreams = json.dumps({"package_mirror_upstreams": {"static": f"http://127.0.0.1:{STATIC}"}})
    with tempfile.TemporaryDirectory() as folder:
        source = site.write_inventory(Path(folder, "inventory"), [node])
        argv = [*site.Site(Path(folder)).ansible("playbook", source), "molecule/package_mirror/converge.yml"]
        site.run([*argv, "--extra-vars", upstreams], dict(os.environ))
    mirror.run(SERVER)
    wait.until(mirror.listens, f"nginx listens on {STATIC}", "", seconds=30)
    return mirror


def files(mirror: Mirror) -> dict[str, float]:
    """Measure a large file: from the wire, from the cache, and from a cold mirror."""

    def cold() -> float:
        mirror.forget(f"/static{FILE}")
        return mirror.fetch(MIRROR, f"/static{FILE}")

    def warm() -> float:
        return mirror.fetch(MIRROR, f"/static{FILE}")

    return medians({"the wire": lambda: mirror.fetch(STATIC, FILE), "cold": cold, "warm": warm})


def environments(mirror: Mirror) -> tuple[dict[str, float], float]:
    """Measure builds with and without a cold mirror; return the upstream's bytes beside those of one build, too."""
    through = f"http://{mirror.node.address}:{MIRROR}{CHANNEL}"
    ratios = []

    def cold() -> float:
        mirror.forget("/anaconda")
        sent, received = mirror.counted()
        taken = builds(through, CLIENTS)
        all_sent, all_received = mirror.counted()
        ratios.append((all_received - received) * CLIENTS / (all_sent - sent))
        return taken

    direct = lab_mirror.url() + CHANNEL
    times = medians(
        {
            ONE: lambda: builds(direct, 1),
            f"{CLIENTS} at once, without a mirror": lambda: builds(direct, CLIENTS),
            f"{CLIENTS} at once, through a cold mirror": cold,
        }
    )
    return times, statistics.median(ratios)


def report_files(found: Mapping[str, float]) -> None:
    """Print what files took, as a table and as JSON."""
    table = Table("", "seconds", "MB/s", "beside the wire", title=f"A file of {LARGE} MB")
    for name, taken in found.items():
        table.add_row(name, f"{taken:.2f}", f"{LARGE / taken:.0f}", f"{found['the wire'] / taken:.2f}")
    Console().print(table)
    print(json.dumps(found), flush=True)


def report_builds(found: Mapping[str, float], ratio: float) -> None:
    """Print what builds took, as a table and as JSON, and what the upstream has sent for them."""
    table = Table("", "seconds", "beside one", title="An environment of Python")
    for name, taken in found.items():
        table.add_row(name, f"{taken:.1f}", f"{taken / found[ONE]:.2f}")
    Console().print(table)
    print(f"For {CLIENTS} builds at once, the upstream has sent {ratio:.3f} times the bytes of one")
    print(json.dumps({**found, "upstream": ratio}))


def main() -> None:
    """Measure and print."""
    mirror = start()
    try:
        report_files(files(mirror))
        report_builds(*environments(mirror))
    finally:
        site.remove_nodes(GROUP)


if __name__ == "__main__":
    main()
