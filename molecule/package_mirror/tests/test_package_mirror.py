# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mirror has saved, and what apt and pip get from it on nodes that ask nobody else."""

from __future__ import annotations

import os
import re
import urllib.request
from collections import Counter

import pytest
import testinfra
from testinfra.host import Host

from lab.nodes import nodes, playbooks

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
MIRROR, *NODES = nodes.find(GROUP)
URL = f"http://{MIRROR.address}:8008"
LOG = "/var/log/nginx/evenkeel-package-mirror.log"
LINE = re.compile(r'(client|upstream) (\S+) \S+ \[[^]]*\] "[A-Z]+ (\S+)" (\d+) (\d+) ', re.MULTILINE)


def host_of(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}", ansible_inventory=str(playbooks.INVENTORY), sudo=True)


@pytest.fixture(scope="module")
def mirror() -> Host:
    return host_of(MIRROR.name)


@pytest.fixture(scope="module")
def node() -> Host:
    return host_of(NODES[0].name)


def transferred(mirror: Host) -> tuple[Counter[str], int]:
    """Return how many bytes each client has got, and how many came from upstreams."""
    clients: Counter[str] = Counter()
    received = 0
    for side, who, path, _status, size in LINE.findall(mirror.check_output("cat %s", LOG)):
        if side == "upstream":
            received += int(size)
        elif path.startswith(("/anaconda/", "/pypi/")):
            clients[who] += int(size)
    return clients, received


def test_two_nodes_cost_the_upstream_what_one_does(mirror: Host) -> None:
    clients, received = transferred(mirror)
    assert clients.keys() == {node.address for node in NODES}
    assert min(clients.values()) > 10_000_000
    assert received <= 1.05 * min(clients.values())


def test_both_have_the_same_environment() -> None:
    links = {host_of(node.name).check_output("readlink /opt/evenkeel/envs/mirrored") for node in NODES}
    assert len(links) == 1


@pytest.mark.skipif(not NODES[0].release.startswith("debian"), reason="a node without apt")
def test_apt_installs_from_it(node: Host, mirror: Host) -> None:
    source = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {URL}/debian bookworm main"
    node.check_output("rm -f /etc/apt/sources.list.d/* && echo %s >/etc/apt/sources.list", source)
    node.check_output("apt-get update -o APT::Update::Error-Mode=any")
    node.check_output("cd /tmp && apt-get download nginx-common && dpkg --info nginx-common_*.deb")
    assert "/debian/pool/" in mirror.check_output("cat %s", LOG)


@pytest.mark.skipif(not NODES[0].release.startswith("rocky"), reason="a node without dnf")
@pytest.mark.parametrize(
    ("path", "key", "package"),
    [
        ("/rocky/MAJOR/BaseOS/x86_64/os", "/rocky/RPM-GPG-KEY-Rocky", "nginx"),
        ("/nvidia/cuda/rhelMAJOR/x86_64", "/nvidia/cuda/rhelMAJOR/x86_64/D42D0685.pub", "nvidia-persistenced"),
    ],
    ids=["the distribution", "NVIDIA"],
)
def test_dnf_installs_from_it(node: Host, mirror: Host, path: str, key: str, package: str) -> None:
    path, key = (text.replace("MAJOR", NODES[0].release.removeprefix("rocky")) for text in (path, key))
    options = f"baseurl={URL}{path}/\ngpgkey={URL}{key}\ngpgcheck=1\nrepo_gpgcheck=1"
    node.check_output("rm -f /etc/yum.repos.d/* && printf %s >/etc/yum.repos.d/m.repo", f"[m]\nname=m\n{options}\n")
    node.check_output("dnf --assumeyes makecache --refresh")
    node.check_output(f"cd /tmp && dnf --assumeyes download {package} && rpm --query --package {package}-*.rpm")
    log = mirror.check_output("cat %s", LOG)
    assert re.search(rf'"GET {path}/{package}-\S+\.rpm" 200 \d+ MISS', log)
    assert re.search(rf'"GET {path}/repodata/\S+" 200 \d+ MISS', log)


def test_pip_installs_from_it(node: Host) -> None:
    python = "/opt/evenkeel/envs/mirrored/bin/python"
    said = node.check_output(f"{python} -m pip download --no-cache-dir --dest /tmp/wheels --verbose tabulate")
    assert f"{URL}/pypi/simple/tabulate/" in said


def test_it_counts_for_prometheus(mirror: Host) -> None:
    mirror.check_output("evenkeel-package-mirror watch")
    found = mirror.file("/var/lib/evenkeel/package_mirror/evenkeel_package_mirror.prom").content_string
    values = dict(line.split() for line in found.splitlines() if not line.startswith("#"))
    assert int(values['evenkeel_package_mirror_requests_total{cache="hit"}']) > 0
    assert int(values["evenkeel_package_mirror_upstream_bytes_total"]) > 0
    assert values["evenkeel_package_mirror_full"] == "0"
    assert mirror.service("evenkeel-package-mirror.timer").is_running


def test_it_says_what_it_serves() -> None:
    with urllib.request.urlopen(f"{URL}/") as answer:  # noqa: S310
        assert "/nvidia/cuda/" in answer.read().decode()
