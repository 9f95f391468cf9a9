# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/rollout.yml does where nodes are away, hang or are full, and where its own run is killed.

On three nodes, or on as many more as EVENKEEL_FLEET says.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from lab.nodes import nodes, podman
from tests.faults.conftest import CHANNEL, INVENTORY, ROOT, Answer, ansible, finish, kill

PLAYBOOK = "playbooks/rollout.yml"
SIZE = max(3, int(os.environ.get("EVENKEEL_FLEET", "3")))
#: In the order of the inventory.
NAMES = sorted(f"debian12-{number}" for number in range(1, SIZE + 1))
FIRST, SECOND, LAST = NAMES[0], NAMES[1], NAMES[-1]
LINK, BUILDS = "/opt/evenkeel/envs/small", "/opt/evenkeel/generations/small"
LOCK = "/opt/evenkeel/locks/environment-small"
#: A silent connection is lost after half a minute. Beside ansible.cfg's such options ssh would ignore these.
_ALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=6"
PATIENCE = {"ansible_ssh_args": f"-o ControlMaster=auto -o ControlPersist=600s {_ALIVE}", "ansible_timeout": 20}
#: Where the lab lets its operator become root.
SUDOERS = "/etc/sudoers.d/ops"
DEVICES, SHOWN = "/sys/bus/pci/devices", "/run/evenkeel-devices"
PACKAGES = ("six", "idna", "packaging", "attrs")
CHANGES = (words for number in (1, 2, 3) for words in itertools.combinations(PACKAGES, number))


@dataclass
class Fleet:
    """Nodes with an environment ``small``, whose packages each test changes."""

    group: str
    packages: tuple[str, ...] = ()

    def start(self, playbook: str, *options: str, **variables: Any) -> subprocess.Popen[str]:
        declared = [{"name": "small", "packages": ["python=3.11", *self.packages], "channels": [CHANNEL]}]
        given = {"conda_environments_list": declared, **PATIENCE, **variables}
        return ansible(
            "playbook", playbook, *options, f"--extra-vars={json.dumps(given)}", EVENKEEL_LAB_GROUP=self.group
        )

    def roll_out(self, *options: str, **variables: Any) -> Answer:
        return finish(self.start(PLAYBOOK, "--tags=conda_environments", *options, **variables))

    def on(self, node: str, command: str) -> str:
        """Run a command on a node, which needs no network."""
        return podman.run("exec", nodes.container_name(self.group, node), "sh", "-c", command).strip()

    def in_use(self, of: Sequence[str] = NAMES) -> set[str]:
        """Return the builds that nodes use."""
        return {self.on(node, f"readlink {LINK}") for node in of}

    def builds(self, node: str) -> set[str]:
        """Return the builds that a node has."""
        return set(self.on(node, f"ls {BUILDS}").split())

    @contextmanager
    def busy(self, node: str) -> Iterator[None]:
        """Hold the environment's lock on a node, so that nothing is built or switched there."""
        self.on(node, f"systemd-run --quiet --unit=holder flock {LOCK} sleep infinity")
        try:
            yield
        finally:
            self.on(node, "systemctl stop holder")

    @contextmanager
    def cut_off(self, node: str) -> Iterator[None]:
        """Take a node's network away, without a word to those who are connected."""
        pid = podman.run("inspect", "--format", "{{.State.Pid}}", nodes.container_name(self.group, node)).strip()
        link = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "set", "eth0"]
        subprocess.run([*link, "down"], check=True)
        try:
            yield
        finally:
            subprocess.run([*link, "up"], check=True)


def last_words(answer: Answer) -> list[str]:
    """Return what the last message of a run says, line by line."""
    (message,) = re.findall(r'"msg": (".*")', answer.output)[-1:]
    return str(json.loads(message)).splitlines()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Return what a run says next, to the first line with ``words``."""
    shown = ""
    for line in process.stdout or ():
        shown += line
        if words in line:
            return shown
    raise AssertionError(f"no {words!r} in:\n{shown}")


@pytest.fixture(scope="module")
def prepared(worker_id: str) -> Iterator[Fleet]:
    group = f"faults-rollout-{worker_id}"
    lab = [sys.executable, "-m", "lab"]
    releases = [word for _node in NAMES for word in ("--release", "debian12")]
    subprocess.run([*lab, "up", group, *releases, "--fresh"], check=True, cwd=ROOT)
    try:
        fleet = Fleet(group)
        assert finish(fleet.start("site.yml", "--tags=miniconda,condarc,conda_environments")).succeeded()
        yield fleet
    finally:
        subprocess.run([*lab, "down", group], check=True, cwd=ROOT)


@pytest.fixture
def fleet(prepared: Fleet) -> Fleet:
    """The nodes, all with the same build in use, and with a change that none of them has seen."""
    assert len(prepared.in_use()) == 1
    prepared.packages = next(CHANGES)
    return prepared


@pytest.mark.long
def test_nodes_that_are_away_or_full_are_named_and_the_same_command_goes_on_later(fleet: Fleet) -> None:
    before, others = fleet.in_use(), [node for node in NAMES if node not in (SECOND, LAST)]
    had = {node: fleet.builds(node) for node in NAMES}
    fleet.on(LAST, f"mount -t tmpfs -o size=1m tmpfs {BUILDS}/.. && mkdir {BUILDS}")
    try:
        with fleet.cut_off(SECOND):
            answer = fleet.roll_out()
            missing = f"Nothing was switched: 2 of {SIZE} nodes did not build: {SECOND}, {LAST}."
            assert answer.failed_saying(missing, "No space left on the file system")
            assert fleet.in_use() == before
            assert [node for node in NAMES if node != LAST and fleet.builds(node) - had[node]] == others
            allowed = fleet.roll_out(rollout_built_percentage=33)
            assert allowed.failed_saying(f"{len(others)} of {len(others)} nodes are as declared")
            (after,) = fleet.in_use(others)
            assert after not in before
            assert fleet.in_use([SECOND]) == before
    finally:
        fleet.on(LAST, f"umount {BUILDS}/..")
    assert fleet.in_use([LAST]) == before
    assert fleet.roll_out().succeeded()
    assert fleet.in_use() == {after}


def test_a_run_killed_in_a_batch_is_resumed_and_all_go_back_by_the_command_that_was_shown(fleet: Fleet) -> None:
    (before,) = fleet.in_use()
    process = fleet.start(PLAYBOOK, "--tags=conda_environments")
    shown = read_until(process, f"1 of {SIZE} nodes are as declared")
    with fleet.busy(LAST):
        shown += read_until(process, "and switch to them") + read_until(process, f"changed: [{SECOND}]")
        kill(process)
        assert fleet.in_use([LAST]) == {before}
        assert before not in fleet.in_use([FIRST, SECOND])
    process.communicate()
    back = f"-e rollback_env=small -e rollback_generation={before.rpartition('/')[2][:12]}"
    assert back in shown
    resumed = fleet.roll_out()
    assert resumed.succeeded()
    assert f"{SIZE} of {SIZE} nodes are as declared" in resumed.output
    assert len(fleet.in_use() | {before}) == 2
    options = [word for word in back.split() if word != "-e"]
    gone_back = fleet.start(
        "playbooks/rollback.yml", *(f"--extra-vars={word}" for word in options), rollback_confirm=False
    )
    assert finish(gone_back).succeeded()
    assert fleet.in_use() == {before}


def test_a_wrong_sudo_password_is_named_and_nothing_is_switched(fleet: Fleet) -> None:
    before = fleet.in_use()
    fleet.on(SECOND, f"mv {SUDOERS} /root/ops && echo 'ops:right' | chpasswd && echo 'ops ALL=(ALL) ALL' >{SUDOERS}")
    try:
        answer = fleet.roll_out(ansible_become_password="wrong")
    finally:
        fleet.on(SECOND, f"mv /root/ops {SUDOERS}")
    assert answer.failed_saying(f"nodes did not build: {SECOND}.", "password")
    assert fleet.in_use() == before


def test_an_account_that_nodes_do_not_have_is_refused_before_anything_is_built(fleet: Fleet) -> None:
    before, had = fleet.in_use(), {node: fleet.builds(node) for node in NAMES}
    answer = fleet.roll_out(rollout_account="ana")
    refused = f"rollout_account is ana, which can't compute on {FIRST}: it has no notebook server there."
    assert answer.failed_saying(refused)
    assert fleet.in_use() == before
    assert {node: fleet.builds(node) for node in NAMES} == had


def test_a_canary_whose_gpu_does_not_work_stops_the_rollout(fleet: Fleet) -> None:
    before, gpu = fleet.in_use(), f"{SHOWN}/0000:01:00.0"
    digest = next(iter(before)).rpartition("/")[2][:12]
    fleet.on(FIRST, f"mkdir -p {gpu} && echo 0x10de >{gpu}/vendor && echo 0x1eb8 >{gpu}/device")
    fleet.on(FIRST, f"echo 0x030200 >{gpu}/class && mount --bind {SHOWN} {DEVICES}")
    try:
        answer = fleet.roll_out()
    finally:
        fleet.on(FIRST, f"umount {DEVICES}; rm -r {SHOWN}")
    assert answer.failed_saying("Check every GPU", "without libcuda.so.1")
    of_builds = re.findall(
        r"^TASK \[.* : (Environments \| .*)\]", answer.output.partition("enough nodes")[0], re.MULTILINE
    )
    assert len(set(of_builds)) == len(of_builds) == 4, "each task has a name of its own"
    assert last_words(answer) == [
        f"0 of {SIZE} nodes are as declared; failed or unreachable: {FIRST}.",
        f"This run has changed {FIRST}, and no other node.",
        "To go on: correct what is shown above, and run the same command again.",
        "To go back:",
        f"ansible-playbook playbooks/rollback.yml -i {INVENTORY} -e rollback_env=small -e rollback_generation={digest}",
    ]
    assert fleet.in_use(NAMES[1:]) == before
    assert fleet.roll_out().succeeded()
    assert len(fleet.in_use()) == 1


@pytest.mark.skipif(SIZE < 4, reason="there have to be three batches, the second of two nodes")
def test_nodes_that_are_lost_in_the_middle_count_as_failed(fleet: Fleet) -> None:
    before, batches = fleet.in_use(), [2, "100%"]
    process = fleet.start(PLAYBOOK, "--tags=conda_environments", rollout_batch=batches)
    read_until(process, f"1 of {SIZE} nodes are as declared")
    with fleet.cut_off(SECOND):
        answer = finish(process)
        assert answer.failed_saying(f"Stopped: 1 of {SIZE} nodes failed or can't be reached: {SECOND}.")
        assert fleet.in_use([SECOND, *NAMES[3:]]) == before
        assert before.isdisjoint(fleet.in_use([FIRST, NAMES[2]]))
        allowed = fleet.roll_out(rollout_batch=batches, rollout_built_percentage=50)
        assert allowed.failed_saying(f"{SIZE - 1} of {SIZE - 1} nodes are as declared")
        assert fleet.in_use([SECOND]) == before
    assert fleet.roll_out().succeeded()
    assert len(fleet.in_use()) == 1


@pytest.mark.long
def test_a_node_that_hangs_holds_nobody_up_for_good(fleet: Fleet) -> None:
    before, container = fleet.in_use(), nodes.container_name(fleet.group, LAST)
    process = fleet.start(PLAYBOOK, "--tags=conda_environments", rollout_batch=1, rollout_max_fail_percentage=50)
    read_until(process, f"1 of {SIZE} nodes are as declared")
    podman.run("pause", container)
    answer = finish(process)
    podman.run("unpause", container)
    assert answer.failed_saying(f"{SIZE - 1} of {SIZE} nodes are as declared")
    assert re.search(rf"^{LAST} .*unreachable=1", answer.output, re.MULTILINE), answer.output
    assert fleet.in_use([LAST]) == before
    assert fleet.roll_out().succeeded()
    assert len(fleet.in_use()) == 1


@pytest.mark.long
def test_a_node_that_is_lost_while_it_builds_is_named(fleet: Fleet) -> None:
    before = fleet.in_use()
    with ExitStack() as cut:
        # The build can't be over before the node has no network any more.
        with fleet.busy(LAST):
            process = fleet.start(PLAYBOOK, "--tags=conda_environments")
            read_until(process, "switch nothing")
            fleet.on(LAST, "timeout 300 sh -c 'until pgrep --full [a]sync_wrapper >/dev/null; do sleep 0.1; done'")
            cut.enter_context(fleet.cut_off(LAST))
        assert finish(process).failed_saying(f"nodes did not build: {LAST}.")
        assert fleet.in_use() == before
    assert fleet.roll_out().succeeded()
    assert len(fleet.in_use()) == 1
