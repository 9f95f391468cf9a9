# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are not what the last run has found: reinstalled under their name, with another Python, or without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node, ansible, finish, fresh_node

PYTHON, KEPT = "/usr/bin/python3.11", "/usr/lib/kept-python3.11"
#: In which order Ansible's own discovery finds the node's only Python.
FOUND = {"ansible_python_interpreter": "auto_silent"}
#: Instead of the package manager: it has one package, or none.
APT = "/usr/local/sbin/apt-get"


@pytest.fixture(scope="module")
def node(worker_id: str) -> Iterator[Node]:
    with fresh_node(f"facts-{worker_id}") as fresh:
        yield fresh


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "facts"


@contextmanager
def another_release(node: Node) -> Iterator[None]:
    """Have the node call itself Debian 13, as if it were reinstalled."""
    files = "/etc/os-release /etc/debian_version"
    node.host.check_output(f"mkdir -p /root/kept && cp --dereference {files} /root/kept")
    try:
        node.host.check_output(
            "sed -i 's/12/13/g; s/bookworm/trixie/g' /etc/os-release; echo 13.1 >/etc/debian_version"
        )
        yield
    finally:
        node.host.check_output("cp /root/kept/* /etc")


@contextmanager
def without_python(node: Node, package: str) -> Iterator[None]:
    """Remove the node's Python; apt-get brings it back if asked for ``package``."""
    script = f'case "$*" in *" {package}") mv {KEPT} {PYTHON} ;; *) echo "E: Unable to locate $*"; exit 100 ;; esac'
    node.host.check_output(f"printf '#!/bin/sh\\n{script}\\n' >{APT} && chmod 755 {APT} && mv {PYTHON} {KEPT}")
    try:
        yield
    finally:
        node.host.run(f"mv {KEPT} {PYTHON}")
        node.host.check_output(f"rm {APT}")


def play(node: Node, cache: Path, playbook: str | Path = "site.yml", *options: str, **variables: Any) -> Answer:
    """Run a playbook whose CUDA toolkits come from a mirror that has none, with the facts of the last run."""
    nowhere = f"{node.variables['lab_mirror_url']}/nowhere"
    given = {"cuda_toolkit_versions": ["12.9"], "evenkeel_nvidia_repository": nowhere, **FOUND, **variables}
    return finish(
        ansible(
            "playbook",
            str(playbook),
            *options,
            f"--extra-vars={json.dumps(given)}",
            ANSIBLE_CACHE_PLUGIN="jsonfile",
            ANSIBLE_CACHE_PLUGIN_CONNECTION=str(cache),
            EVENKEEL_LAB_GROUP=node.group,
        )
    )


def own_playbook(directory: Path) -> Path:
    """Write a playbook of a user's, with a role alone."""
    path = directory / "own.yml"
    path.write_text(json.dumps([{"hosts": "gpu_nodes", "become": True, "roles": ["evenkeel.gpu.cuda_toolkit"]}]))
    return path


@pytest.mark.parametrize("alone", [False, True], ids=["site", "a role alone"])
def test_a_reinstalled_node_gets_its_releases_repository(
    node: Node, cache: Path, tmp_path: Path, *, alone: bool
) -> None:
    playbook, options = (own_playbook(tmp_path), []) if alone else (Path("site.yml"), ["--tags=cuda_toolkit"])
    first = play(node, cache, playbook, *options)
    assert first.failed_saying("/nowhere/debian12/x86_64/")
    assert "Gathering Facts" in first.output
    with another_release(node):
        second = play(node, cache, playbook, *options)
    assert second.failed_saying("/nowhere/debian13/x86_64/")
    assert "Gathering Facts" not in second.output
    assert "debian12/x86_64" not in second.output
    assert _cached(cache)["ansible_distribution_version"] == "13.1"


def test_a_python_that_is_now_another_is_found(node: Node, cache: Path) -> None:
    node.host.check_output("rm -rf /etc/conda")
    assert play(node, cache, "site.yml", "--tags=condarc").succeeded()
    assert PYTHON in _known_python(cache)
    other = "/usr/bin/python3.12"
    node.host.check_output(f"mv {PYTHON} {other} && ln -sfn python3.12 /usr/bin/python3")
    try:
        assert play(node, cache, "site.yml", "--tags=condarc").succeeded()
        assert other in _known_python(cache)
    finally:
        node.host.check_output(f"mv {other} {PYTHON} && ln -sfn python3.11 /usr/bin/python3")


@pytest.mark.parametrize(
    "known_by", ["", "site.yml", "playbooks/preflight.yml"], ids=["bare", "since a run", "since a preflight"]
)
def test_a_node_without_python_gets_one(node: Node, cache: Path, known_by: str) -> None:
    if known_by:
        play(node, cache, known_by, *(["--tags=condarc"] if known_by == "site.yml" else []))
        assert PYTHON in _known_python(cache)
    with without_python(node, "python3"):
        checked = play(node, cache, "site.yml", "--tags=condarc", "--check")
        assert checked.failed_saying("no Python. Install it on the node: `sudo apt-get install --yes python3`.")
        assert not node.host.file(PYTHON).exists
        assert play(node, cache, "site.yml", "--tags=condarc").succeeded()
        assert node.host.file(PYTHON).exists


def test_a_python_that_can_not_be_installed_is_said_with_the_reason(node: Node, cache: Path) -> None:
    with without_python(node, "nothing"):
        answer = play(node, cache, "site.yml", "--tags=condarc")
        assert answer.failed_saying("no Python. Install it on the node", "ended with: E: Unable to locate")


def _known_python(cache: Path) -> str:
    return str(_cached(cache)["discovered_interpreter_python"])


def _cached(cache: Path) -> dict[str, Any]:
    """Return the facts of the only host of which some are known."""
    (file,) = cache.iterdir()
    facts: dict[str, Any] = json.loads(json.loads(file.read_text())["__payload__"])
    return facts
