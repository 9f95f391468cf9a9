# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build leaves that is killed at any moment: a live environment, and nothing that the next run does not heal."""

from __future__ import annotations

import random
from typing import Any

from tests.faults.conftest import Node

NAME = "killed"
ROOT = "/opt/evenkeel"
LINK = f"{ROOT}/envs/{NAME}"
KILLS = 20
#: Whether the processes that the module started are killed with it, and whether the caches are cold.
CASES = tuple((with_children, cold) for with_children in (False, True) for cold in (False, True))

#: Longer than any build, in seconds.
UNDISTURBED = 300
#: Runs a build, kills it a while after it has the lock of the caches, and tells whether it was still running.
KILLER = """\
import os, signal, subprocess, sys, time
seconds, with_children, *argv = sys.argv[1:]
with open(os.devnull, "wb") as nowhere:
    process = subprocess.Popen(argv, stdout=nowhere, stderr=nowhere, start_new_session=True)
    def holder():
        with open("/opt/evenkeel/locks/pkgs") as stream:
            return stream.read()
    while process.poll() is None and holder() != str(process.pid):
        time.sleep(0.001)
    begin = time.monotonic()
    try:
        process.wait(float(seconds))
    except subprocess.TimeoutExpired:
        if with_children == "True":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    print(process.wait() == -signal.SIGKILL, time.monotonic() - begin)
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
        #: Seconds that an undisturbed build works, by whether the caches are cold.
        self.lasts: dict[bool, float] = {}
        self.go_back()

    def generation(self, arguments: dict[str, Any]) -> str:
        """Build undisturbed, and return the path of what was built."""
        answer = self.node.converge(**arguments)
        assert answer.succeeded()
        return str(answer.result["generation"])

    def go_back(self) -> None:
        """Undo the switch, and remove the build."""
        self.host.check_output(f"{self.undo} && rm -rf {self.end}")

    def kill(self, moment: float, with_children: bool, cold: bool) -> None:
        """Kill a build at ``moment`` of its work, from 0 to 1."""
        killed = False
        while not killed:
            if cold:
                self.host.check_output(f"rm -rf {ROOT}/pkgs/uv {self.cached}")
            seconds = moment * self.lasts[cold] if cold in self.lasts else UNDISTURBED
            command = f"python3 -c %s {seconds} {with_children} {self.build}"
            told, worked = self.host.check_output(command, KILLER).split()
            killed = told == "True"
            if not killed:
                self.lasts[cold] = float(worked)
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
        caches, names = (
            f"{ROOT}/pkgs/rattler {ROOT}/pkgs/bytecode/*",
            "-name '.*' -o -name '*.partial' -o -name '*.progress'",
        )
        unfinished = self.host.check_output(f"find {caches} {ROOT}/locks -mindepth 1 -maxdepth 1 \\( {names} \\)")
        assert set(unfinished.split()) <= {f"{ROOT}/pkgs/rattler/.cache.lock"}
        self.go_back()


def test_a_build_that_is_killed_at_any_moment_is_healed(with_module: Node) -> None:
    rehearsal = Rehearsal(with_module)
    chance = random.Random(3)  # noqa: S311
    moments = [(number + chance.random()) / KILLS for number in range(KILLS)]
    chance.shuffle(moments)
    for number, moment in enumerate(moments, 1):
        rehearsal.kill(moment, *CASES[number % len(CASES)])
        assert rehearsal.work() == []
        rehearsal.host.check_output(f"{LINK}/bin/python -c 'import idna'")
        if number % 5 == 0:
            rehearsal.heal()
        elif rehearsal.host.file(LINK).linked_to == rehearsal.end:
            rehearsal.go_back()
