# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift report of two control nodes, one of which dies: its hosts are unknown in the whole, the others are there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import wait
from lab.nodes import nodes, podman, ssh
from lab.nodes.nodes import Node
from tests.engines import conftest

GROUP = "engines-shards"
VENV = "/opt/control"
COLLECTIONS = "/usr/share/ansible/collections"
STEADY, DYING = "debian13-1", "debian13-2"


@pytest.fixture(scope="module")
def fleet(archive: Path, wheels: Path) -> Iterator[dict[str, Node]]:
    """Two control nodes and another node."""
    lab = [sys.executable, "-m", "lab"]
    releases = [option for release in ("debian12", "debian13", "debian13") for option in ("--release", release)]
    subprocess.run([*lab, "up", GROUP, *releases, "--fresh"], check=True, cwd=conftest.ROOT)
    try:
        found = {node.name: node for node in nodes.find(GROUP)}
        equip(archive, wheels)
        yield found
    finally:
        subprocess.run([*lab, "down", GROUP], check=True, cwd=conftest.ROOT)


def equip(archive: Path, wheels: Path) -> None:
    """Install ansible-runner and the collection on both control nodes; the second gets a copy of the first's."""
    first, second = (nodes.container_name(GROUP, name) for name in (STEADY, DYING))
    for container in (first, second):
        podman.run("cp", str(wheels), f"{container}:/wheels")
    podman.run("cp", str(archive), f"{first}:/root/collection.tar.gz")
    (pip,) = wheels.glob("pip-*.whl")
    install = [f"{VENV}/bin/python", f"/wheels/{pip.name}/pip", "install", "--quiet", "--no-index", "--no-compile"]
    wanted = ["--find-links=/wheels", "pip", "ansible-core", "ansible-runner", *conftest.requirements()]
    steps = [
        ["python3", "-m", "venv", "--without-pip", VENV],
        [*install, *wanted],
        ["ln", "-s", f"{VENV}/bin/ansible-runner", f"{VENV}/bin/ansible-playbook", "/usr/local/bin/"],
        ["ansible-galaxy", "collection", "install", "--offline", "/root/collection.tar.gz", "-p", COLLECTIONS],
    ]
    for step in steps:
        podman.run("exec", first, "env", f"PATH={VENV}/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", *step)
    copy = f"podman exec {first} tar c {VENV} {COLLECTIONS} /usr/local/bin | podman exec -i {second} tar x -C /"
    subprocess.run(["sh", "-c", copy], check=True, env=podman.environment(), capture_output=True)


@pytest.fixture
def directory(fleet: dict[str, Node], tmp_path: Path) -> Path:
    """A private data directory with two hosts in one line of the inventory, and the key of the lab."""
    place = tmp_path / "fleet"
    for name in ("env", "inventory/host_vars", "project"):
        (place / name).mkdir(parents=True)
    described = conftest.inventory(GROUP)["gpu_nodes"]["vars"]
    for name in ("ansible_ssh_private_key_file", "lock_targets"):
        del described[name]
    described |= {
        "ansible_ssh_common_args": "-o UserKnownHostsFile=known_hosts -o StrictHostKeyChecking=yes",
        "conda_environments_list": [],
    }
    (place / "inventory" / "hosts.yml").write_text(
        json.dumps({"gpu_nodes": {"hosts": {"node[001:002]": {}}, "vars": described}})
    )
    for name, node in (("node001", "debian12-1"), ("node002", DYING)):
        (place / "inventory" / "host_vars" / name).write_text(json.dumps({"ansible_host": fleet[node].address}))
    (place / "project" / "known_hosts").write_text(ssh.KNOWN_HOSTS.read_text())
    (place / "env" / "ssh_key").write_text(ssh.KEY.read_text())
    artifacts = "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}"
    (place / "env" / "extravars").write_text(json.dumps({"drift_directory": f"{artifacts}/drift"}))
    return place


@pytest.fixture
def reaching(fleet: dict[str, Node], tmp_path: Path) -> dict[str, str]:
    """An environment in which ssh reaches the control nodes by their names."""
    place = tmp_path / "bin"
    place.mkdir()
    settings = "".join(f"Host {name}\n  HostName {node.address}\n" for name, node in fleet.items())
    (place / "config").write_text(f"{settings}Host *\n  User {ssh.USER}\n  IdentityFile {ssh.KEY}\n")
    options = shlex.join(shlex.split(" ".join(ssh.options())))
    (place / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {place}/config {options} "$@"\n')
    (place / "ssh").chmod(0o755)
    return {"PATH": f"{place}:{conftest.PROGRAMS}:{os.environ['PATH']}"}


def test_a_control_node_dies_and_its_hosts_are_unknown(
    directory: Path, reaching: dict[str, str], tmp_path: Path
) -> None:
    script = [str(conftest.ROOT / "engines" / "shard.sh"), str(directory), "evenkeel.gpu.drift", STEADY, DYING]
    environment = {**os.environ, **reaching}
    output = tmp_path / "output"
    share = directory / "project" / "shards" / DYING
    with output.open("w") as stream:
        running = subprocess.Popen(script, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    try:
        events = directory / "artifacts" / DYING / "job_events"
        wait.until(lambda: any(events.glob("*.json")), f"{DYING} begins", "read its output", seconds=300)
        podman.run("kill", nodes.container_name(GROUP, DYING))
        assert running.wait(timeout=600) == 1, output.read_text()
    finally:
        running.kill()
    assert f"{DYING} did not end. Its hosts are in {share} (1)" in output.read_text()
    assert share.read_text() == "node002\n"

    reports = f"{directory}/artifacts/*/drift/report.json"
    options = ["-e", json.dumps({"drift_reports": reports, "drift_directory": str(tmp_path / "whole")})]
    asked = ["playbooks/drift_merge.yml", f"--inventory={directory / 'inventory'}", *options]
    done = conftest.attempt("ansible-playbook", *asked, cwd=conftest.ROOT)
    report = json.loads((tmp_path / "whole" / "report.json").read_text())
    assert report["status"] == "unknown", done.stdout
    assert report["hosts"]["node001"]["layers"]["distribution"]["state"] == "drifted"
    assert report["hosts"]["node002"]["state"] == "unknown"
    assert "in no report" in report["hosts"]["node002"]["message"]
    assert done.returncode == 2
