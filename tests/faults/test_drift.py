# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift report of nodes that are equal, drifted by hand, unreachable, or can't be asked; none of them is changed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.conftest import ROOT, Answer, Node, fresh_node

NAME = "debian12-1"
ADDRESS = "ansible_host"
#: The least that a site with notebooks has.
SITE = {
    "conda_environments_list": [{"name": "jupyter"}],
    "conda_environments_directory": str(ROOT / "lab" / "environments"),
    "cuda_toolkit_versions": [],
    "nvidia_container_toolkit_enabled": False,
}
CONDARC = "/etc/conda/condarc.d/evenkeel.yml"
HANGS = "/usr/local/bin/hangs"


@pytest.fixture(scope="module")
def site(worker_id: str) -> Iterator[Node]:
    """A node that is as declared."""
    with fresh_node(f"drift-{worker_id}") as node:
        assert node.play(**SITE).succeeded()
        node.host.check_output("printf '#!/bin/sh\\nexec sleep 100\\n' >%s && chmod 755 %s", HANGS, HANGS)
        node.host.check_output("useradd --create-home pat && cp --recursive /home/ops/.ssh /home/pat/")
        node.host.check_output("chown --recursive pat: /home/pat && echo 'pat ALL=(ALL) ALL' >/etc/sudoers.d/pat")
        yield node


def look(node: Node, folder: Path, others: Mapping[str, Mapping[str, Any]], **variables: Any) -> Answer:
    """Run drift.yml, also with other names for the node that have variables of their own."""
    hosts = {name: {ADDRESS: node.variables[ADDRESS], **own} for name, own in others.items()}
    inventory = folder / "others.yml"
    inventory.write_text(yaml.safe_dump({"gpu_nodes": {"hosts": hosts}, "debian12": {"hosts": hosts}}))
    declared = {**SITE, "drift_directory": str(folder / "drift"), **variables}
    return node.play("playbooks/drift.yml", f"--inventory={inventory}", **declared)


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "drift" / "report.json").read_text())
    return found


def status(folder: Path) -> int:
    """Return how the command ends."""
    return subprocess.run([ROOT / "bin" / "evenkeel", "drift", folder / "drift" / "report.json"]).returncode


def test_every_node_is_in_the_report_and_none_is_changed(site: Node, tmp_path: Path) -> None:
    before = site.fingerprint()
    others = {
        "gone": {ADDRESS: "127.0.0.1", "ansible_port": 1},
        "hangs": {"ansible_python_interpreter": HANGS, "drift_host_seconds": 5},
        "asks-for-a-password": {"ansible_user": "pat"},
        "wrong-password": {"ansible_user": "pat", "ansible_become_password": "wrong"},
        "no-python": {"ansible_python_interpreter": "/usr/bin/python3.99"},
    }
    answer = look(site, tmp_path, others)
    assert answer.status == 4, answer.output
    found = report(tmp_path)
    messages = {name: host["message"] for name, host in found["hosts"].items()}
    assert {name: host["state"] for name, host in found["hosts"].items()} == {
        "asks-for-a-password": "unknown",
        NAME: "equal",
        "gone": "unreachable",
        "hangs": "unknown",
        "no-python": "unknown",
        "wrong-password": "unknown",
    }, messages
    assert "Missing sudo password" in messages["asks-for-a-password"]
    assert "Incorrect sudo password" in messages["wrong-password"]
    assert "python3.99" in messages["no-python"]
    assert messages["hangs"] == "It took longer than 5 seconds (drift_host_seconds)"
    assert found["status"] == "unreachable"
    assert "unreachable: 1 equal, 4 unknown, 1 unreachable" in answer.output
    assert status(tmp_path) == 4
    layer = found["hosts"][NAME]["layers"]["environment:jupyter"]
    assert len(layer["found"]["digest"]) == 64
    assert layer["provenance"]["file"] == "lab/environments/jupyter/environment.yml"
    assert site.fingerprint() == before


def test_a_node_that_was_changed_by_hand_is_drifted_and_a_branch_has_the_history(site: Node, tmp_path: Path) -> None:
    repository = tmp_path / "site"
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    for name, value in (("user.name", "Ana"), ("user.email", "ana@site.example")):
        subprocess.run(["git", "-C", repository, "config", name, value], check=True)
    branch = {"drift_history_branch": "drift-history", "drift_history_repository": str(repository)}
    assert look(site, tmp_path, {}, **branch).succeeded()
    assert status(tmp_path) == 0
    kept = site.host.file(CONDARC).content_string
    site.host.check_output("sed -i '$s/$/ # \\x1b[31mby hand/' %s", CONDARC)
    try:
        before = site.fingerprint()
        answer = look(site, tmp_path, {}, **branch)
        assert answer.status == 2, answer.output
        first = report(tmp_path)
        assert look(site, tmp_path, {}, drift_fail=False, **branch).succeeded()
        assert site.fingerprint() == before
    finally:
        site.host.check_output("printf %%s %s >%s", kept, CONDARC)
    host = report(tmp_path)["hosts"][NAME]
    assert [id_ for id_, layer in host["layers"].items() if layer["state"] != "equal"] == ["condarc"]
    (change,) = host["layers"]["condarc"]["changes"]
    assert "# \\x1b[31mby hand" in change["diff"]
    assert (host["state"], host["since"]) == ("drifted", first["created"])
    assert status(tmp_path) == 2
    asked = ["git", "-C", repository, "log", "--format=%s", "drift-history"]
    subjects = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    assert subjects == ["drifted: 1 drifted", "drifted: 1 drifted", "equal: 1 equal"]


def test_a_report_folder_that_is_full_keeps_its_report(site: Node, tmp_path: Path) -> None:
    folder = tmp_path / "drift"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True)
    try:
        last = {"report.json": "the last one", "evenkeel.prom": "its metrics"}
        for name, text in last.items():
            (folder / name).write_text(text)
        answer = look(site, tmp_path, {})
        assert answer.failed_saying(f"{folder}: No space left on device. Free some space")
        assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == last
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_run_without_hosts_makes_no_report(site: Node, tmp_path: Path) -> None:
    answer = site.play("playbooks/drift.yml", "--limit=nobody", drift_directory=str(tmp_path / "drift"))
    assert answer.status != 0
    assert not (tmp_path / "drift").exists()
