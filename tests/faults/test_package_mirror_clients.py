# SPDX-License-Identifier: GPL-3.0-or-later
"""A package mirror with TLS of Evenkeel's own authority, and all that nodes use as its clients.

The node is the mirror and its client. The authority is trusted as the documentation says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from tests.faults.conftest import Answer, Node, ansible, finish
from tests.faults.mirrors import LOG, PLAYBOOK, Mirror, packages_of_the_lab

CA = "/etc/site-ca.pem"
SYSTEMS = "/usr/local/share/ca-certificates/site.crt"
ENVIRONMENT = """\
channels: [defaults]
dependencies: [python=3.11, idna, pip, {pip: [humanize]}]
"""
WHEELS = "/tmp/wheels"  # noqa: S108
ENV = "/opt/evenkeel/envs/secured"
#: They take minutes together.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the authority on the control node."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(scope="module")
def mirror(node: Node, authority: Path) -> Iterator[Mirror]:
    node.strip()
    with packages_of_the_lab(node):
        assert node.play(PLAYBOOK, package_mirror_tls=True, package_mirror_ca_directory=str(authority)).succeeded()
        node.host.check_output(f"printf %%s %s >{CA}", (authority / "ca.pem").read_text())
        yield Mirror(node, tls=True)
        node.host.check_output(f"rm -rf {CA} {SYSTEMS} {WHEELS} && update-ca-certificates --fresh")


@pytest.fixture(scope="module")
def site(mirror: Mirror, authority: Path) -> Answer:
    """How the roles for environments ended, from a control node that trusts the authority, too."""
    (authority / "secured.yml").write_text(ENVIRONMENT)
    variables: dict[str, Any] = {
        "evenkeel_mirror": {"host": mirror.address, "tls": True},
        "evenkeel_pip_index": f"{mirror.url}/pypi/simple/",
        "evenkeel_ca_bundle": CA,
        "conda_environments_list": [{"name": "secured", "environment": str(authority / "secured.yml")}],
    }
    return finish(
        ansible(
            "playbook",
            "site.yml",
            "--tags=mirror,miniconda,condarc,conda_environments",
            f"--extra-vars={json.dumps(variables)}",
            EVENKEEL_LAB_GROUP=mirror.node.group,
            SSL_CERT_FILE=str(authority / "ca.pem"),
        )
    )


def served(mirror: Mirror, program: str) -> bool:
    """Whether the mirror has served something to a program."""
    return any(line.startswith("client ") and " 200 " in line for line in mirror.logged(f'"{program}'))


def test_a_client_that_does_not_trust_the_authority_gets_nothing(mirror: Mirror) -> None:
    ask = f"python3 -c 'import urllib.request; urllib.request.urlopen(\"{mirror.url}/healthz\")'"
    refused = mirror.node.host.run(ask)
    assert refused.rc != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
    mirror.node.host.check_output(f"env SSL_CERT_FILE={CA} {ask}")


def test_the_roles_build_an_environment_from_it(mirror: Mirror, site: Answer) -> None:
    assert site.succeeded()
    assert mirror.node.host.run(f"{ENV}/bin/python -c 'import idna, humanize'").rc == 0
    assert served(mirror, "uv/")
    assert mirror.logged("/anaconda/miniconda/Miniconda3-")
    assert mirror.logged("/idna-")


@pytest.mark.parametrize(
    ("program", "command"),
    [
        # The lab's conda, a stand-in, reads no ssl_verify.
        (
            "Python-urllib/",
            f"env SSL_CERT_FILE={CA} /opt/miniconda3/bin/conda create --yes --quiet --prefix {WHEELS}/conda idna",
        ),
        ("pip/", f"{ENV}/bin/python -m pip download --no-cache-dir --dest {WHEELS} tabulate"),
        (
            "uv/",
            f"env SSL_CERT_FILE={CA} $(ls -d /opt/evenkeel/runtime/*)/bin/uv pip install --no-cache"
            f" --target {WHEELS}/uv --python {ENV}/bin/python --default-index URL/pypi/simple/ tabulate",
        ),
    ],
    ids=["conda", "pip", "uv"],
)
def test_a_client_gets_packages_from_it(mirror: Mirror, site: Answer, program: str, command: str) -> None:
    assert site.succeeded()
    mirror.node.host.check_output(f"truncate --size 0 {LOG}")
    mirror.node.host.check_output(command.replace("URL", mirror.url))
    assert served(mirror, program)


def test_many_uvs_at_once_cost_what_one_does(mirror: Mirror, authority: Path, tmp_path: Path) -> None:
    mirror.run("purge /pypi")
    before = mirror.bytes()
    variables = {"UV_DEFAULT_INDEX": f"{mirror.url}/pypi/simple/", "SSL_CERT_FILE": str(authority / "ca.pem")}
    argv = [
        find_uv_bin(),
        "pip",
        "install",
        "--no-cache",
        "--python",
        sys.executable,
        "humanize",
        "packaging",
        "xxhash",
    ]
    places = [str(tmp_path / str(number)) for number in range(20)]
    installs = [subprocess.Popen([*argv, "--target", place], env={**os.environ, **variables}) for place in places]
    assert [install.wait() for install in installs] == [0] * len(installs)
    sent, received = (now - was for now, was in zip(mirror.bytes(), before, strict=True))
    assert sent > len(installs) * 700_000
    assert received <= 1.05 * sent / len(installs)


def test_apt_gets_packages_from_it(mirror: Mirror) -> None:
    host = mirror.node.host
    source = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror.url}/debian bookworm main"
    host.check_output("echo %s >/etc/apt/sources.list.d/lab.list", source)
    update = "apt-get update -o APT::Update::Error-Mode=any"
    host.check_output(f"rm -f {SYSTEMS} && update-ca-certificates --fresh")
    assert host.run(update).rc != 0
    host.check_output(f"cp {CA} {SYSTEMS} && update-ca-certificates && {update}")
    host.check_output(f"mkdir -p {WHEELS} && cd {WHEELS} && apt-get download nginx-common")
    assert served(mirror, "Debian APT-HTTP/")
