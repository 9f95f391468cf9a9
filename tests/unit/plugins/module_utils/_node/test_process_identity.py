# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is known by its machine, its boot, its number and its start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity

STAT = "1 (a) b)) {state} 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 {start} 1 1\n"


def tree(
    root: Path, *, number: str = "a1", processes: str = "pid:[1]", boot: str = "b1", card: str = "c1", **of_process: str
) -> str:
    """Make what a machine says of itself and of its process 1."""
    for path, text in (
        ("etc/machine-id", f"{number}\n"),
        ("proc/sys/kernel/random/boot_id", f"{boot}\n"),
        ("sys/class/net/eth0/address", f"{card}\n"),
        ("sys/class/net/eth0/device/vendor", "0x1af4\n"),
        ("proc/1/stat", STAT.format(**{"state": "S", "start": "100", **of_process})),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    link = root / "proc/self/ns/pid"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(processes)
    return str(root)


@pytest.mark.parametrize(
    ("later", "runs"),
    [({}, True), ({"start": "101"}, False), ({"boot": "b2"}, False), ({"state": "Z"}, False)],
    ids=["the same", "another with its number", "after a boot", "a zombie"],
)
def test_a_process_that_runs_is_the_same_one(tmp_path: Path, later: dict[str, str], runs: bool) -> None:
    identity = process_identity.of(1, tree(tmp_path))
    assert identity == "b1 1 100"
    assert process_identity.runs(identity, tree(tmp_path, **later)) == runs


@pytest.mark.parametrize("identity", ["", "b1", "b1 x 100", "b1 2 100"])
def test_what_is_no_process_does_not_run(tmp_path: Path, identity: str) -> None:
    assert not process_identity.runs(identity, tree(tmp_path))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"boot": "b2"}, True),
        ({"number": "a2"}, False),
        ({"processes": "pid:[2]"}, False),
        ({"card": "c2", "boot": "b2"}, False),
    ],
    ids=["the same", "after a boot", "another", "a container on it", "a copy of its image"],
)
def test_machines_are_told_apart(tmp_path: Path, other: dict[str, str], same: bool) -> None:
    machine = process_identity.machine(tree(tmp_path))
    assert len(machine) == 16
    assert (process_identity.machine(tree(tmp_path, **other)) == machine) == same


def test_interfaces_that_are_made_and_removed_do_not_count(tmp_path: Path) -> None:
    machine = process_identity.machine(tree(tmp_path))
    bridge = tmp_path / "sys" / "class" / "net" / "podman0" / "address"
    bridge.parent.mkdir()
    bridge.write_text("c3\n")
    assert process_identity.machine(str(tmp_path)) == machine


@pytest.mark.parametrize("gone", ["etc/machine-id", "proc/self/ns/pid", "proc/1/stat"])
def test_a_machine_whose_processes_can_not_be_looked_for_is_none(tmp_path: Path, gone: str) -> None:
    root = tree(tmp_path)
    (tmp_path / gone).unlink()
    assert process_identity.machine(root) == ""


def test_a_process_that_has_ended_does_not_run() -> None:
    assert process_identity.runs(process_identity.of(os.getpid()))
    child = subprocess.Popen(["sleep", "60"])
    identity = process_identity.of(child.pid)
    assert process_identity.runs(identity)
    child.kill()
    child.wait()
    assert not process_identity.runs(identity)
