# SPDX-License-Identifier: GPL-3.0-or-later
"""hooks/slurm.yml against a real Slurm: its controller and its only compute node are one node of the lab."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from lab import wait
from lab.upstream.debian import debian_archive
from tests.faults.conftest import ROOT, Answer, Node, fresh_node

pytestmark = pytest.mark.long

REASON = "evenkeel upgrades the driver"
CONFIGURATION = """ClusterName=lab
SlurmctldHost={name}
SlurmUser=slurm
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=1
SchedulerParameters=sched_interval=1
NodeName={name} CPUs=1 State=UNKNOWN
PartitionName=all Nodes={name} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Node]:
    """A node that runs Slurm, idle."""
    with Progress() as progress:
        debian_archive.build("debian12", [debian_archive.SLURM], progress)
    with fresh_node("faults-slurm") as node:
        run = node.host.check_output
        run(f"echo 'deb {node.variables['lab_mirror_url']}/debian bookworm main' >/etc/apt/sources.list")
        packages = " ".join(debian_archive.WISHES[debian_archive.SLURM][0])
        run(f"apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends {packages}")
        text = CONFIGURATION.format(name=run("hostname"))
        run("install --directory --owner=slurm /var/lib/slurm/slurmctld /var/lib/slurm/slurmd")
        run("printf %s %s >/etc/slurm/slurm.conf && systemctl restart munge slurmctld slurmd", "%s", text)
        wait_until(lambda: state(node) == "IDLE", "Slurm's node to be idle")
        yield node


@pytest.fixture
def idle(slurm: Node) -> Iterator[Node]:
    """The same; afterwards no job is left, and the node is idle again."""
    yield slurm
    slurm.host.check_output("systemctl start slurmctld && scancel --user=root")
    wait_until(lambda: slurm.host.check_output("squeue --noheader") == "", "the jobs to end")
    slurm.host.run("scontrol update nodename=$(hostname) state=resume")
    wait_until(lambda: state(slurm) == "IDLE", "Slurm's node to be idle")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    wait.until(condition, what, "see `journalctl` on the node", seconds=300)


def field(node: Node, name: str) -> str:
    """Return one of the fields that Slurm shows of the node."""
    shown = node.host.run("scontrol show node $(hostname)").stdout
    found = re.search(rf"\b{name}=(.*?)(?: \w+=| \[|$)", shown, re.MULTILINE)
    return found[1] if found else ""


def state(node: Node) -> str:
    return field(node, "State")


def begin_job(node: Node) -> str:
    """Begin a job of root's that runs until it is cancelled; return its number."""
    number = node.host.check_output("sbatch --parsable --chdir=/ --output=/dev/null --wrap 'sleep infinity'")
    wait_until(lambda: state(node) == "ALLOCATED", "the job to run")
    return str(number)


def hook(node: Node, tmp_path: Path, *steps: str, **variables: Any) -> Answer:
    """Run the hook's steps, as playbooks/upgrade_driver.yml does."""
    task = {
        "ansible.builtin.include_tasks": str(ROOT / "playbooks" / "hooks" / "slurm.yml"),
        "vars": {"upgrade_step": "{{ item }}"},
        "loop": steps,
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "gpu_nodes", "gather_facts": False, "become": True, "tasks": [task]}]))
    declared = {
        "upgrade_slurm_controller": "debian12-1",
        "upgrade_slurm_become": True,
        "upgrade_slurm_node": node.host.check_output("hostname"),
    }
    return node.play(str(playbook), **{**declared, **variables})


def test_an_idle_node_is_drained_and_resumed(idle: Node, tmp_path: Path) -> None:
    assert hook(idle, tmp_path, "drain", "drain").succeeded()
    assert (state(idle), field(idle, "Reason")) == ("IDLE+DRAIN", REASON)
    assert hook(idle, tmp_path, "undrain", "undrain").succeeded()
    assert state(idle) == "IDLE"


def test_a_node_that_somebody_else_drained_stays_drained(idle: Node, tmp_path: Path) -> None:
    idle.host.check_output("scontrol update nodename=$(hostname) state=drain reason='a fan is broken'")
    assert hook(idle, tmp_path, "drain", "undrain").succeeded()
    assert (state(idle), field(idle, "Reason")) == ("IDLE+DRAIN", "a fan is broken")


def test_a_drain_that_somebody_else_takes_over_is_theirs(idle: Node, tmp_path: Path) -> None:
    assert hook(idle, tmp_path, "drain").succeeded()
    idle.host.check_output("scontrol update nodename=$(hostname) state=drain reason='a fan is broken'")
    assert hook(idle, tmp_path, "undrain").succeeded()
    assert (state(idle), field(idle, "Reason")) == ("IDLE+DRAIN", "a fan is broken")


def test_a_running_job_is_waited_for_and_never_cancelled(idle: Node, tmp_path: Path) -> None:
    number = begin_job(idle)
    late = hook(idle, tmp_path, "drain", upgrade_drain_timeout=1)
    assert late.failed_saying(f"{number} root wrap", "upgrade_drain_timeout")
    assert (state(idle), field(idle, "Reason")) == ("ALLOCATED+DRAIN", REASON)
    assert idle.host.check_output(f"squeue --noheader --job={number} --format=%T") == "RUNNING"

    waiting = idle.start(
        str(tmp_path / "play.yml"),
        upgrade_slurm_controller="debian12-1",
        upgrade_slurm_become=True,
        upgrade_slurm_node=idle.host.check_output("hostname"),
    )
    idle.host.check_output(f"scancel {number}")
    output, _ = waiting.communicate(timeout=600)
    assert waiting.returncode == 0, output
    assert hook(idle, tmp_path, "undrain").succeeded()
    assert state(idle) == "IDLE"


def test_a_job_that_waits_for_the_node_runs_after_it_is_resumed(idle: Node, tmp_path: Path) -> None:
    assert hook(idle, tmp_path, "drain").succeeded()
    idle.host.check_output("sbatch --chdir=/ --output=/dev/null --wrap 'sleep infinity'")
    assert hook(idle, tmp_path, "drain").succeeded()
    assert hook(idle, tmp_path, "undrain").succeeded()
    wait_until(lambda: state(idle) == "ALLOCATED", "the job to run")


def test_a_controller_that_is_lost_changes_nothing(idle: Node, tmp_path: Path) -> None:
    idle.host.check_output("systemctl stop slurmctld")
    lost = hook(idle, tmp_path, "drain")
    assert lost.failed_saying("Unable to contact slurm controller")
    idle.host.check_output("systemctl start slurmctld")
    wait_until(lambda: state(idle) == "IDLE", "Slurm's node to be idle")


def test_an_account_without_the_right_is_refused(idle: Node, tmp_path: Path) -> None:
    refused = hook(idle, tmp_path, "drain", upgrade_slurm_become=False)
    assert refused.failed_saying("Invalid user id", "upgrade_slurm_become")
    assert state(idle) == "IDLE"


def test_a_node_that_slurm_does_not_know(idle: Node, tmp_path: Path) -> None:
    assert hook(idle, tmp_path, "drain", upgrade_slurm_node="gpu99").failed_saying("gpu99", "upgrade_slurm_node")
