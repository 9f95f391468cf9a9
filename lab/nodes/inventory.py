# SPDX-License-Identifier: GPL-3.0-or-later
"""A group of nodes as an Ansible inventory, in the shape Ansible asks of a script."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from lab import paths
from lab.images import image, machine_image
from lab.nodes import nodes, ssh
from lab.nodes.nodes import Node
from lab.upstream import mirror, recorded_repositories
from lab.upstream.conda import installer
from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.ubuntu import repositories as ubuntu_repositories

#: A real installer for the nodes, and its checksum, in place of the lab's own.
INSTALLER_URL = "EVENKEEL_INSTALLER_URL"
INSTALLER_SHA256 = "EVENKEEL_INSTALLER_SHA256"


def read(group: str) -> dict[str, Any]:
    """Return the inventory of the group's running nodes."""
    sums = [top / installer.SUMS for top in (paths.INSTALLERS, paths.MINIFORGE)]
    text = "".join(path.read_text() for path in sums if path.exists())
    checksums = parse_sums(text)
    variables: dict[str, Any] = {
        "lab_mirror_url": mirror.url(),
        "lab_pip_index_url": f"{mirror.url()}/pypi/simple/",
        "lab_rocky": f"{mirror.url()}/rocky",
        "lab_installer_sha256": checksums,
        **_nvidia(f"{mirror.url()}/nvidia"),
    }
    if real := os.environ.get(INSTALLER_URL):
        name = real.rpartition("/")[2]
        variables |= {"miniconda_url": real, "miniconda_installer": name}
        checksums[name] = os.environ.get(INSTALLER_SHA256, "")
    of_release = _ubuntu(f"{mirror.url()}/ubuntu")
    for release, recorded in recorded_repositories.of_releases(f"{mirror.url()}/recorded").items():
        of_release[release] = {**of_release.get(release, {}), **recorded}
    return render(nodes.find(group), variables, of_release)


def _nvidia(url: str) -> dict[str, Any]:
    """Return where NVIDIA's sites are in the lab, and the sums of their keys."""
    sums = nvidia_repositories.sums()
    keyrings = {**sums.get("keyring", {}), **sums.get("key", {}), **ubuntu_repositories.keyring_sums()}
    of_machines = {name: keyrings[node] for name, node in machine_image.RELEASES.items() if node in keyrings}
    return {
        "lab_nvidia_repository": f"{url}/compute/cuda/repos",
        "lab_nvidia_container_repository": f"{url}/libnvidia-container",
        "lab_nvidia_runfiles": f"{url}/tesla",
        "lab_nvidia_keyring_sha256": {**keyrings, **of_machines},
        "lab_nvidia_expired_keyring_sha256": sums.get("expired_keyring", {}),
        "lab_nvidia_runfile_sha256": sums.get("runfile", {}),
    }


def _ubuntu(url: str) -> dict[str, dict[str, str]]:
    """Return by release where its nodes have other repositories."""
    own = {"lab_nvidia_repository": f"{url}/{ubuntu_repositories.REPOSITORIES}", "lab_ubuntu_archive": f"{url}/archive"}
    machines = [name for name, node in machine_image.RELEASES.items() if node in image.UBUNTU]
    return dict.fromkeys([*image.UBUNTU, *machines], own)


def render(
    found: Sequence[Node], variables: Mapping[str, Any], of_release: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return nodes and variables, those of all and those of a release, as Ansible wants them from ``--list``."""
    connection = {
        "ansible_user": ssh.USER,
        "ansible_ssh_private_key_file": str(ssh.KEY),
        "ansible_ssh_common_args": " ".join(ssh.options()),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_timeout": 60,  # sudo takes its time on a virtual machine that is emulated
    }
    releases = {
        release: {"hosts": [node.name for node in found if node.release == release]}
        | ({"vars": dict(of_release[release])} if release in of_release else {})
        for release in dict.fromkeys([*nodes.RELEASES, *(node.release for node in found)])
    }
    return {
        "all": {"children": ["gpu_nodes"], "vars": {**connection, **variables}},
        "gpu_nodes": {"children": list(releases)},
        **releases,
        "_meta": {"hostvars": {node.name: {"ansible_host": node.address} for node in found}},
    }


def parse_sums(text: str) -> dict[str, str]:
    """Read the format of ``sha256sum``: file name to digest."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in pairs}
