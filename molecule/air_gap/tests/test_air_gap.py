# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that only bundles have reached: it is as its repository says, and an incremental bundle updates it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock

from lab.air_gap import ENVIRONMENTS, AirGap
from lab.nodes.nodes import Node
from lab.people import notebook
from lab.upstream import mirror

GAP = AirGap(os.environ["MOLECULE_SCENARIO_NAME"])
CONTROL, MIRROR, NODE = GAP.nodes
URL = f"http://{MIRROR.address}:8008"
#: Says why a connection fails.
CONNECT = "python3 -c 'import socket; socket.create_connection((\"{}\", {}), 3)' 2>&1 || true"


def locked(environment: str) -> str:
    """Return the digest of a lock."""
    path = GAP.site.work / "environments" / environment / "conda-lock.yml"
    return digest(conda_lock.packages_for(conda_lock.read(path), "linux-64", path))


def built(environment: str) -> str:
    """Return the digest of the environment that the node has in use."""
    marker = GAP.run(NODE, f"cat /opt/evenkeel/envs/{environment}/conda-meta/evenkeel")
    return str(json.loads(marker)["digest"])


@pytest.mark.parametrize("node", GAP.nodes, ids=lambda node: node.name)
def test_nobody_reaches_anything_outside(node: Node) -> None:
    assert GAP.run(node, "ip route show default") == ""
    for address, port in ((mirror.url().rpartition("/")[2], 80), ("192.0.2.1", 443)):
        assert "unreachable" in GAP.run(node, CONNECT.format(address, port))
    assert "name resolution" in GAP.run(node, CONNECT.format("repo.anaconda.com", 443))
    peer = next(other for other in GAP.nodes if other != node)
    assert GAP.run(node, CONNECT.format(peer.address, 22)) == ""


def test_the_control_node_had_nothing_but_python() -> None:
    assert GAP.run(CONTROL, "command -v pip git ansible || true") == ""
    assert GAP.run(CONTROL, "/opt/evenkeel/control/current/venv/bin/ansible --version").startswith("ansible [core ")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments_have_the_digests_of_their_locks(environment: str) -> None:
    assert built(environment) == locked(environment)


def test_a_kernel_runs_a_cell() -> None:
    prefix = notebook.at(NODE.address).run("minimal", "import sys; print(sys.prefix)").strip()
    assert prefix.startswith("/opt/evenkeel/generations/minimal/")


def test_packages_of_distribution_and_nvidia_are_from_the_mirror() -> None:
    GAP.run(NODE, "apt-get update -o APT::Update::Error-Mode=any && apt-get install --yes nginx")
    assert GAP.run(NODE, "nvidia-ctk --version")
    log = GAP.run(MIRROR, "cat /var/log/nginx/evenkeel-package-mirror.log")
    for path in (
        "/debian/pool/",
        "/nvidia/container/",
        "/nvidia/cuda/",
        "/anaconda/miniconda/",
        "/anaconda/pkgs/main/",
    ):
        assert f'"GET {path}' in log


def test_signed_commits_come_from_the_mirror_by_git(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        signers = f"gpg.ssh.allowedSignersFile={GAP.site.folder / 'signers'}"
        command = ["git", "-c", "gpg.format=ssh", "-c", signers, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.strip()

    git("clone", "--quiet", "--bare", f"{URL}/git/site.git", ".")
    git("verify-commit", "HEAD")
    assert git("rev-parse", "HEAD") == GAP.site.git("rev-parse", "HEAD")


def test_further_runs_change_nothing() -> None:
    (bundle,) = GAP.bundles.glob("*.tar")
    shown = GAP.install(f"/media/bundle/{bundle.stem}") + GAP.play("site.yml")
    assert set(re.findall(r" changed=(\d+) ", shown)) == {"0"}


def test_an_incremental_bundle_updates_the_site() -> None:
    (whole,) = GAP.bundles.glob("*.tar")
    before = built("minimal")
    environment = GAP.site.work / "environments" / "minimal" / "environment.yml"
    environment.write_text(environment.read_text() + "  - idna\n")
    GAP.lock()
    commit = GAP.site.commit("ana", files={"notes": "idna for all\n"})
    later = GAP.bundle(follows=whole)
    assert later.stat().st_size < whole.stat().st_size / 20
    GAP.install(GAP.carry(later))
    assert GAP.run(CONTROL, "cat /opt/evenkeel/control/current/project/notes") == "idna for all\n"
    GAP.play("site.yml")
    assert built("minimal") == locked("minimal") != before
    assert GAP.run(NODE, "/opt/evenkeel/envs/minimal/bin/python -c 'import idna'") == ""
    assert commit in GAP.run(MIRROR, "cat /var/lib/evenkeel/site_copy/current/tree/git/site.git/info/refs")
