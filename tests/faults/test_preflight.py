# SPDX-License-Identifier: GPL-3.0-or-later
"""A preflight of nodes on which hardly anything is right: each is a row of the table, and none is changed."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.conftest import ROOT, Answer, Node, fresh_node

PLAYBOOK = "playbooks/preflight.yml"
PYTHON = "/usr/bin/python3"
ADDRESS = "ansible_host"
#: A clock that is a day late.
LATE = """#!/bin/sh
[ "$*" = +%s ] && exec expr $(/usr/bin/date +%s) - 90000
exec /usr/bin/date "$@"
"""


@pytest.fixture(scope="module")
def bare(worker_id: str) -> Iterator[Node]:
    """A node on which no role of any test has ever run."""
    with fresh_node(f"preflight-{worker_id}") as node:
        yield node


def look(
    node: Node, folder: Path, others: Mapping[str, Mapping[str, Any]] | None = None, **variables: Any
) -> tuple[Answer, dict[str, Any]]:
    """Run the preflight, also with other names for the node that have variables of their own; return its report."""
    hosts = {name: {ADDRESS: node.variables[ADDRESS], **own} for name, own in (others or {}).items()}
    inventory, report = folder / "others.yml", folder / "report.json"
    inventory.write_text(yaml.safe_dump({"gpu_nodes": {"hosts": hosts}, "debian12": {"hosts": hosts}}))
    # By default it is beside the last inventory.
    environments = str(ROOT / "lab" / "environments")
    answer = node.play(
        PLAYBOOK,
        f"--inventory={inventory}",
        conda_environments_directory=environments,
        preflight_report=str(report),
        preflight_seconds=600,
        **variables,
    )
    assert report.exists(), answer.output
    return answer, json.loads(report.read_text())["nodes"]


def row(answer: Answer, name: str) -> list[str]:
    """Return the cells of a node's row."""
    shown = answer.output.partition("PLAY RECAP")[0]
    rows = [line.split() for line in shown.splitlines() if line.startswith(f"{name} ")]
    assert len(rows) == 1, answer.output
    return rows[0]


def test_a_bare_node_is_ready_and_stays_bare(bare: Node, tmp_path: Path) -> None:
    before = bare.fingerprint()
    answer, report = look(bare, tmp_path)
    assert answer.succeeded()
    assert row(answer, "debian12-1")[:4] == ["debian12-1", "ready", "Debian", "12"]
    assert "miniconda" in report["debian12-1"]["to_do"]
    assert bare.fingerprint() == before


def test_every_node_has_a_row(bare: Node, tmp_path: Path) -> None:
    bare.host.check_output("useradd --create-home pat && cp --recursive /home/ops/.ssh /home/pat/")
    bare.host.check_output("chown --recursive pat: /home/pat && echo 'pat ALL=(ALL) ALL' >/etc/sudoers.d/pat")
    before = bare.fingerprint()
    answer, report = look(
        bare,
        tmp_path,
        {
            "gone": {ADDRESS: "127.0.0.1", "ansible_port": 1},
            "asks-for-a-password": {"ansible_user": "pat"},
            "other-python": {"ansible_python_interpreter": "/usr/bin/python3.99"},
            "no-mirror": {"evenkeel_mirror": "http://127.0.0.1:1/anaconda"},
            "no-repository": {
                "nvidia_driver_without_gpu": True,
                "nvidia_driver_repository_base": f"{bare.variables['lab_mirror_url']}/nowhere",
            },
        },
    )
    assert answer.status == 4
    problems = {name: "\n".join(node["problems"]) for name, node in report.items()}
    assert {name: node["state"] for name, node in report.items()} == {
        "asks-for-a-password": "problem",
        "debian12-1": "ready",
        "gone": "unreachable",
        "no-mirror": "problem",
        "no-repository": "problem",
        "other-python": "unknown",
    }
    assert "Missing sudo password" in problems["asks-for-a-password"]
    assert "Connection refused" in problems["gone"]
    assert "conda mirror: http://127.0.0.1:1/anaconda" in problems["no-mirror"]
    assert "NVIDIA's repository: " in problems["no-repository"]
    assert "/nowhere/debian12/x86_64/Packages answered 404" in problems["no-repository"]
    assert f"Set ansible_python_interpreter to {PYTHON}" in problems["other-python"]
    assert [row(answer, name)[1] for name in report] == [node["state"] for node in report.values()]
    assert bare.fingerprint() == before


#: What a user's login prints before each command, which looks like a first answer.
BANNER = "echo uid 4711; echo clock 5; echo python /usr/bin/perl 3.13; printf Welcome"


def test_users_whose_login_is_odd(bare: Node, tmp_path: Path) -> None:
    for user in ("kim", "lee"):
        bare.host.check_output(f"useradd --create-home --shell /bin/bash {user} && cp -r /home/ops/.ssh /home/{user}/")
        bare.host.check_output(f"echo '{user} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{user}")
    bare.host.check_output("echo 'Defaults:kim requiretty' >>/etc/sudoers.d/kim")
    bare.host.check_output("printf '%%s\\n' %s >/home/kim/.bashrc", BANNER)
    bare.host.check_output("chown -R kim: /home/kim && chown -R lee: /home/lee && usermod -s /usr/sbin/nologin lee")
    answer, report = look(
        bare,
        tmp_path,
        {
            "debian12-no-terminal": {"ansible_user": "kim"},
            "debian12-terminal": {"ansible_user": "kim", "ansible_pipelining": False},
            "debian12-no-shell": {"ansible_user": "lee"},
        },
    )
    assert answer.status == 2
    problems = {name: "\n".join(node["problems"]) for name, node in report.items()}
    assert "must have a tty to run sudo. Remove requiretty" in problems["debian12-no-terminal"]
    assert "ansible_pipelining to false" in problems["debian12-no-terminal"]
    assert report["debian12-no-terminal"]["python"]["path"] == PYTHON
    assert abs(report["debian12-no-terminal"]["clock"]["skew_seconds"]) < 600
    assert (report["debian12-terminal"]["state"], problems["debian12-terminal"]) == ("ready", "")
    assert report["debian12-no-shell"]["state"] == "unknown"
    assert "runs no commands and says: This account is currently not available" in problems["debian12-no-shell"]


def test_a_node_without_python_is_unknown(bare: Node, tmp_path: Path) -> None:
    bare.host.check_output("mkdir /root/python && mv /usr/bin/python3* /root/python/")
    try:
        answer, report = look(bare, tmp_path)
    finally:
        bare.host.check_output("mv /root/python/* /usr/bin/ && rmdir /root/python")
    assert answer.status == 2
    assert report["debian12-1"]["state"] == "unknown"
    assert "`sudo apt-get install --yes python3`" in "\n".join(report["debian12-1"]["problems"])


def test_a_release_that_is_not_supported_and_a_clock_that_is_off(bare: Node, tmp_path: Path) -> None:
    bare.host.check_output("cp /usr/lib/os-release /etc/debian_version /root/")
    bare.host.check_output("sed --in-place s/12/10/ /usr/lib/os-release /etc/debian_version")
    bare.host.check_output("printf %%s %s >/usr/local/bin/date && chmod +x /usr/local/bin/date", LATE)
    try:
        answer, report = look(bare, tmp_path)
    finally:
        bare.host.check_output(
            "cd /root && mv os-release /usr/lib/ && mv debian_version /etc/ && rm /usr/local/bin/date"
        )
    assert answer.status == 2
    assert row(answer, "debian12-1")[1:6] == ["problem", "Debian", "10", "3.11", "-1d"]
    problems = "\n".join(report["debian12-1"]["problems"])
    assert "behind the control node's" in problems
    assert "miniconda: Debian 10" in problems
    assert "is not supported" in problems


class Silent(ThreadingHTTPServer):
    """A server on this machine that takes requests, notes who asks for what, and never answers."""

    request_queue_size = 100

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), Noted)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server_address)


class Noted(BaseHTTPRequestHandler):
    server: Silent

    def do_GET(self) -> None:
        self.server.asked[self.client_address[0], self.path] += 1
        self.server.over.wait(600)

    do_HEAD = do_GET


@pytest.fixture
def silent(bare: Node) -> Iterator[Silent]:
    """Such a server, where the node reaches it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((bare.variables[ADDRESS], 22))
        address = route.getsockname()[0]
    with Silent(address) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_servers_that_do_not_answer_are_asked_once_and_named(bare: Node, silent: Silent, tmp_path: Path) -> None:
    before = bare.fingerprint()
    answer, report = look(
        bare,
        tmp_path,
        evenkeel_mirror=f"{silent.url}/anaconda",
        evenkeel_pip_index=f"{silent.url}/simple/",
        evenkeel_nvidia_container_repository=f"{silent.url}/toolkit",
        preflight_timeout=5,
    )
    assert answer.status == 2
    problems = "\n".join(report["debian12-1"]["problems"])
    for source, path in (("conda mirror", "anaconda"), ("package index", "simple"), ("container toolkit's", "toolkit")):
        assert re.search(f"^{source}.*{silent.url}/{path}/", problems, re.MULTILINE)
    assert set(silent.asked.values()) == {1}
    # The solver, which would ask again and again, was not begun.
    by_control = {path for who, path in silent.asked if who != bare.variables[ADDRESS]}
    assert by_control <= {f"/anaconda/pkgs/{name}/noarch/repodata.json" for name in ("main", "r")}
    assert bare.fingerprint() == before
