# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs that would change a node at once: the second reports who has it and since when, and changes nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lease import Lease, Run

from lab import wait
from tests.faults.conftest import Node

LEASE = f"{run_lease.FOLDER}/lease.json"
#: Stands in the way of groupadd, so that a run stays in the middle of its change.
SLOW = "/usr/local/sbin/groupadd"
ADDING = "/run/adding"


@pytest.fixture
def changing(node: Node) -> Iterator[dict[str, Any]]:
    """Variables of a run that has a group to make, and nothing else."""
    node.host.check_output("useradd --create-home ana")
    yield {
        "tags": "remote_access",
        "remote_access_users": ["ana"],
        "remote_access_vscode": False,
        "remote_access_sshd_drop_in": False,
        "remote_access_inotify": {},
    }
    node.host.run(f"rm -rf {SLOW} {ADDING} {run_lease.FOLDER}; userdel --remove ana; groupdel evenkeel-remote")


def hold(node: Node, seconds: float) -> None:
    """Have an operator of another control node hold the node for so long."""
    run = Run("a1", "ana@control1", "rollout.yml", "another machine", "")
    boot = float(node.host.check_output("cut -d' ' -f1 /proc/uptime"))
    text = json.dumps({"format": run_lease.FORMAT, **asdict(Lease(run, 1_795_953_780.0, boot + seconds, ""))})
    node.host.check_output(f"install --directory --mode=700 {run_lease.FOLDER} && printf %s '{text}' >{LEASE}")


def test_a_node_that_another_operator_changes_is_left_alone(node: Node, changing: dict[str, Any]) -> None:
    hold(node, 3000)
    before = node.fingerprint()
    said = "ana@control1 has been changing this node by rollout.yml since 2026-11-29 12:03 UTC (until "
    assert node.play(**changing).failed_saying(said, "-e evenkeel_take_over=true")
    assert node.play("site.yml", "--check", **changing).succeeded()
    assert node.fingerprint() == before
    assert node.play(evenkeel_take_over=True, **changing).succeeded()
    assert not node.host.file(LEASE).exists
    hold(node, 3000)
    assert node.play(**changing).succeeded()  # it has nothing to do
    assert node.host.file(LEASE).exists


@pytest.mark.long
def test_a_lease_that_is_over_is_taken(node: Node, changing: dict[str, Any]) -> None:
    hold(node, -1)
    assert node.play(**changing).succeeded()
    assert node.host.group("evenkeel-remote").exists
    assert not node.host.file(LEASE).exists


@pytest.mark.long
def test_a_killed_run_is_no_obstacle_to_the_next(node: Node, changing: dict[str, Any]) -> None:
    node.host.check_output(f"printf '#!/bin/sh\necho $$ >{ADDING}; exec sleep 600' >{SLOW} && chmod 755 {SLOW}")
    first = node.start(**changing)
    wait.until(lambda: node.host.file(ADDING).exists, "the first run changes the node", f"cat {LEASE}", seconds=900)
    for survey in (True, False):
        said = f"@{os.uname().nodename} has been changing this node by site.yml since 2"
        assert node.play(evenkeel_survey=survey, **changing).failed_saying(said)
    first.send_signal(signal.SIGKILL)
    first.wait()
    node.host.check_output(f"rm {SLOW} && kill $(cat {ADDING})")
    assert node.play(**changing).succeeded()
    assert node.host.group("evenkeel-remote").exists
    assert not node.host.file(LEASE).exists
