# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build leaves that is killed at any moment: a live environment, and nothing that the next run does not heal."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.faults.conftest import Node

NAME = "killed"
ROOT = "/opt/evenkeel"
LINK = f"{ROOT}/envs/{NAME}"
KILLS = 20
#: Whether the processes that the module started are killed with it, and whether the caches are cold.
CASES = tuple((with_children, cold) for with_children in (False, True) for cold in (False, True))
#: What a build makes one after the other, relative to its directory, once it has the lock of the caches.
MILESTONES = (
    "bin/python3.11",
    "conda-meta/history",
    "lib/python3.11/site-packages/xxhash/__init__.py",
    "conda-meta/evenkeel-bytecode",
    "conda-meta/evenkeel",
)
STAGES = len(MILESTONES) + 1
#: Longer than any build, in seconds.
UNDISTURBED = 300
#: Runs a build, kills it so many seconds after the beginning of a stage, and reports how long each stage lasted.
#: What an interrupted build left of a milestone is older than the build.
KILLER = """\
import json, os, signal, subprocess, sys, time
(lock, *milestones), stage, seconds, with_children = json.loads(sys.argv[1])
begin = time.time()
with open(os.devnull, "wb") as nowhere:
    process = subprocess.Popen(sys.argv[2:], stdout=nowhere, stderr=nowhere, start_new_session=True)
def locked():
    with open(lock) as stream:
        return stream.read() == str(process.pid)
def made(path):
    try:
        return os.lstat(path).st_ctime > begin
    except OSError:
        return False
times = []
while process.poll() is None:
    if len(times) <= len(milestones) and (made(milestones[len(times) - 1]) if times else locked()):
        times.append(time.monotonic())
    if len(times) > stage and time.monotonic() >= times[stage] + seconds:
        if with_children:
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    time.sleep(0.001)
times.append(time.monotonic())
lasted = [after - before for before, after in zip(times, times[1:])]
print(json.dumps([process.returncode == -signal.SIGKILL, lasted]))
"""


class Rehearsal:
    """The same build again and again, from the same environment in use."""

    def __init__(self, node: Node) -> None:
        self.node, self.host = node, node.host
        old = {"name": NAME, "resolved": node.resolved("python=3.11", "idna"), "keep": 0}
        packages = ("python=3.11", "idna", "prefixed", "comm", "cycler", "httpx", "jinja2", "jsonschema", "requests")
        resolved = node.resolved(*packages, pip=("humanize", "tabulate", "xxhash"))
        assert len(resolved) > 20
        self.new = {**old, "resolved": resolved}
        self.start = self.generation(old)
        self.end = self.generation(self.new)
        self.build = node.program(**self.new)
        self.undo = node.program(name=NAME, generation=self.start.rsplit("/", 1)[-1])
        #: What the caches have of all packages but the largest two.
        self.cached = " ".join(
            f"{ROOT}/pkgs/rattler/{package['name']}-[0-9]* {ROOT}/pkgs/bytecode/*/{package['sha256']}"
            for package in resolved
            if package["name"] not in ("python", "pip")
        )
        #: Seconds that each stage of an undisturbed build lasts, by whether the caches are cold.
        self.lasts: dict[bool, list[float]] = {}
        self.go_back()

    def generation(self, arguments: dict[str, Any]) -> str:
        """Build undisturbed, and return the path of what was built."""
        answer = self.node.converge(**arguments)
        assert answer.succeeded()
        return str(answer.result["generation"])

    def go_back(self) -> None:
        """Undo the switch, and remove the build."""
        self.host.check_output(f"{self.undo} && rm -rf {self.end}")

    def kill(self, stage: int, moment: float, with_children: bool, cold: bool) -> None:
        """Kill a build at a ``moment`` of a stage, from 0 to 1."""
        milestones = [f"{ROOT}/locks/pkgs", *(f"{self.end}/{place}" for place in MILESTONES)]
        killed = False
        while not killed:
            if cold:
                self.host.check_output(f"rm -rf {ROOT}/pkgs/uv {self.cached}")
            seconds = moment * self.lasts[cold][stage] if cold in self.lasts else UNDISTURBED
            order = json.dumps([milestones, stage, seconds, with_children])
            killed, lasted = json.loads(self.host.check_output(f"python3 -c %s %s {self.build}", KILLER, order))
            if not killed:
                assert self.host.file(LINK).linked_to == self.end
                if len(lasted) == STAGES:  # otherwise the last one was killed when all was made but the switch
                    self.lasts[cold] = lasted
                self.go_back()

    def work(self) -> list[str]:
        """Return the processes that still work on environments, once none of them has the lock of the caches."""
        self.host.check_output(f"flock --timeout 60 {ROOT}/locks/pkgs true")
        return [line for line in self.host.check_output("ps -eo args").splitlines() if ROOT in line]

    def heal(self) -> None:
        """Run undisturbed; then all must be as if nobody had ever been killed."""
        assert self.generation(self.new) == self.end
        looked_into = self.node.converge(**self.new, verify="files")
        assert looked_into.succeeded()
        assert looked_into.result["plan"] == []
        self.host.check_output(
            f"{LINK}/bin/python -c 'import httpx, humanize, idna, jinja2, jsonschema, requests, tabulate, xxhash'"
        )
        self.host.check_output(f"test -e {LINK}/lib/prefixed-post-link.txt")
        listed = self.host.check_output(f"find {ROOT}/generations {ROOT}/envs -mindepth 1 -maxdepth 2 | sort")
        assert listed.split() == [LINK, f"{ROOT}/generations/{NAME}", *sorted((self.start, self.end))]
        places = f"{ROOT}/pkgs/rattler {ROOT}/pkgs/uv {ROOT}/pkgs/bytecode/* {ROOT}/progress"
        unfinished = f"find {places} -mindepth 1 -maxdepth 1 \\( -type d -name '.*' -o -path '{ROOT}/progress/*' \\)"
        assert self.host.check_output(unfinished) == ""
        self.go_back()


def test_a_build_that_is_killed_at_any_moment_is_healed(with_module: Node) -> None:
    rehearsal = Rehearsal(with_module)
    chance = random.Random(3)  # noqa: S311
    cases = chance.sample(CASES * (KILLS // len(CASES)), KILLS)
    for number, case in enumerate(cases, 1):
        rehearsal.kill(number % STAGES, chance.random(), *case)
        assert rehearsal.work() == []
        rehearsal.host.check_output(f"{LINK}/bin/python -c 'import idna'")
        if number % 5 == 0:
            rehearsal.heal()
        elif rehearsal.host.file(LINK).linked_to == rehearsal.end:
            rehearsal.go_back()
