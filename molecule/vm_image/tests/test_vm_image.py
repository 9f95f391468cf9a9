# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines that began as one disk: each has its own keys and tokens, all have the same environments."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from lab.nodes import nodes, playbooks
from lab.nodes.machines import Machine
from lab.people import notebook

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
TRACE = "a trace of the original: 4f1d29"
OWN = {
    "machine_id": "/etc/machine-id",
    "host_key": "/etc/ssh/ssh_host_ed25519_key",
    "token": "/etc/evenkeel/jupyter/jupyter/token",
}
#: What programs and environments are of is the same on every machine.
SEARCHED = "/boot /etc /home /root /srv /var /opt/evenkeel/envs /usr/local"


@pytest.fixture(scope="module")
def original() -> Any:
    """What the machine had before it was sealed."""
    return json.loads((Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "original.json").read_text())


def test_nobody_has_what_is_anothers(original: Any) -> None:
    machines = [
        testinfra.get_host(f"ansible://{node.name}", ansible_inventory=str(playbooks.INVENTORY), sudo=True)
        for node in nodes.find(GROUP)
    ]
    assert len(machines) == 2
    for name, path in OWN.items():
        texts = [original[name], *(machine.file(path).content_string for machine in machines)]
        assert all(texts)
        assert len(set(texts)) == len(texts), name


def test_a_token_is_its_users_alone(host: Host) -> None:
    token = host.file(OWN["token"])
    assert (token.user, token.group, token.mode, token.size) == ("jupyter", "jupyter", 0o600, 43)


def test_all_have_the_same_environments(host: Host, original: Any) -> None:
    texts = {
        name: host.file(f"/opt/evenkeel/envs/{name}/conda-meta/evenkeel").content_string for name in original["digests"]
    }
    assert {name: json.loads(text)["digest"] for name, text in texts.items()} == original["digests"]


def test_a_notebook_computes(host: Host) -> None:
    address = next(node.address for node in nodes.find(GROUP) if node.name == host.backend.host)
    assert notebook.at(address).run("minimal", "print(6 * 7)") == "42\n"


def test_the_first_boot_was_the_only_one_of_its_kind(host: Host) -> None:
    assert not host.file("/etc/evenkeel/first_boot").exists
    assert not host.service("evenkeel-first-boot").is_enabled
    assert host.check_output("systemctl show --property=Result --value evenkeel-first-boot") == "success"


def test_no_file_has_the_originals_id_or_a_trace(host: Host, original: Any) -> None:
    # The journal has the commands of this test; they must not count as traces.
    machine_id, trace = (f"[{text[0]}]{text[1:]}" for text in (original["machine_id"].strip(), TRACE))
    assert host.run(f"grep -rls --devices=skip -e '{machine_id}' -e '{trace}' {SEARCHED}").stdout == ""
    assert host.check_output(f"find {SEARCHED} -xdev -name '*{machine_id}*'") == ""


def test_the_disk_has_no_secret_of_the_original_not_even_where_no_file_is(original: Any) -> None:
    secrets = [original["token"], *original["host_key"].splitlines()[2:-1]]
    search = ["grep", "--text", "--count", "--fixed-strings", *(f"--regexp={secret}" for secret in secrets)]
    found = subprocess.run([*search, Machine(GROUP, "debian12vm-1").copy], check=False, capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("0", "")
