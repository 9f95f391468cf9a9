# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has after the role miniconda."""

from __future__ import annotations

import json

from testinfra.host import Host

PREFIX = "/opt/miniconda3"
STORE = "/opt/evenkeel/distributions"


def test_prefix_is_a_link_to_one_complete_installation(host: Host) -> None:
    link = host.file(PREFIX)
    assert link.is_symlink
    version = host.ansible.get_variables()["miniconda_version"]
    assert link.linked_to.startswith(f"{STORE}/Miniconda3-{version}-Linux-x86_64-")
    marker = json.loads(host.file(f"{PREFIX}/conda-meta/evenkeel").content_string)
    assert marker["installer"] == f"Miniconda3-{version}-Linux-x86_64.sh"


def test_store_holds_no_leftovers(host: Host) -> None:
    entries = host.check_output("ls -A %s", STORE).split()
    assert sorted(entries) == [".lock", host.file(PREFIX).linked_to.rsplit("/", 1)[-1]]


def test_conda_answers_for_every_user(host: Host) -> None:
    info = json.loads(host.check_output("sudo -u nobody %s/bin/conda info --json", PREFIX))
    assert info["conda_version"] == "26.7.1"
    assert info["root_prefix"] == host.file(PREFIX).linked_to


def test_base_is_a_normal_environment(host: Host) -> None:
    records = json.loads(host.check_output("%s/bin/conda list --json --prefix %s", PREFIX, PREFIX))
    assert {"conda", "python"} <= {record["name"] for record in records}


def test_login_shells_know_conda_without_activating_base(host: Host) -> None:
    shell = "bash --login -c 'type -t conda; echo \"active: $CONDA_DEFAULT_ENV\"; conda activate base; which python'"
    kind, active, python = host.check_output(f"sudo -u nobody {shell}").splitlines()
    assert kind == "function"
    assert active == "active: "
    assert python.startswith(STORE)
