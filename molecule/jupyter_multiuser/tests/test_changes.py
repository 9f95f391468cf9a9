# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change does to people who are at work, and what bad input does not do."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from lab.nodes.nodes import Node
from lab.people import notebook
from lab.people.notebook import Server

pytestmark = pytest.mark.usefixtures("one_node")

ANA = {"name": "ana", "password": "correct horse battery staple"}
BO = {"name": "bo", "memory_max": "600M"}
FOLDERS = "/etc/evenkeel /etc/systemd/system /usr/local/share/jupyter /home"


def main_pid(host: Host, user: str) -> str:
    return str(host.check_output(f"systemctl show --property=MainPID --value jupyter@{user}"))


def listed(host: Host) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = json.loads(host.file("/etc/evenkeel/jupyter/servers.json").content_string)[
        "servers"
    ]
    return servers


def fingerprint(host: Host) -> str:
    return str(
        host.check_output(f"find {FOLDERS} -xdev -printf '%p %y %s %T@\\n' | grep --invert-match /.local/ | sort")
    )


@pytest.fixture
def as_it_was(one_node: None, role: Callable[..., object]) -> Iterator[None]:
    """Let the next test find what the scenario converged to."""
    yield
    role(jupyter_restart_policy="now").well()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("as_it_was")
def test_a_restart_waits_for_running_kernels_and_says_so(host: Host, role: Callable, ana: Server, bo: Server) -> None:
    # However long the runs below take, no server ends because nobody uses it.
    sleepless = {"jupyter_server_idle_timeout": 0}
    role(jupyter_restart_policy="now", **sleepless).well()
    changed = {"jupyter_users": [{**ANA, "cpu_quota": "100%"}, BO], **sleepless}
    with ana.kernel("minimal") as kernel, bo.kernel("minimal"):
        before = {user: main_pid(host, user) for user in ("ana", "bo")}
        kernel.run("kept = 7")
        by_hand = role(**changed, jupyter_restart_policy="manual").well()
        assert "`systemctl restart jupyter@ana.service` when it suits ana" in by_hand.output
        waits = role(**changed).well()
        assert not waits.changed
        assert "jupyter@ana.service waits for its restart" in waits.output
        assert "ipykernel_launcher" in waits.output
        assert kernel.run("print(kept)") == "7\n"
        assert {user: main_pid(host, user) for user in ("ana", "bo")} == before
    run = role(**changed).well()
    assert run.changed
    assert "waits for its restart" not in run.output
    assert main_pid(host, "ana") != before["ana"]
    assert main_pid(host, "bo") == before["bo"]


@pytest.mark.usefixtures("as_it_was")
def test_other_machines_are_answered_over_tls_alone(host: Host, node: Node, role: Callable, tmp_path: Path) -> None:
    reachable = {
        "jupyter_address": node.address,
        "jupyter_allow_remote_address": True,
        "jupyter_users": [ANA, BO],
        "jupyter_users_share_cookies": True,
    }
    role(**reachable, jupyter_restart_policy="now", jupyter_ca_directory=str(tmp_path)).well()
    (server,) = [one for one in listed(host) if one["user"] == "ana"]
    assert (server["scheme"], server["address"]) == ("https", node.address)
    token = host.file(server["token_file"]).content_string
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    url = f"https://{node.address}:{server['port']}/user/ana/api/status"
    asked = urllib.request.Request(url, headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(asked, context=trusting) as answer:  # noqa: S310
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url, context=trusting)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(url.replace("https:", "http:"))  # noqa: S310


def test_what_was_changed_by_hand_is_told(host: Host, role: Callable) -> None:
    unit, theirs = "/etc/systemd/system/jupyter@.service", "/etc/systemd/system/jupyter@ana.service.d/theirs.conf"
    host.check_output(f"sed -i s/^NoNewPrivileges=yes/NoNewPrivileges=no/ {unit}")
    host.check_output(f"printf '[Service]\\nNoNewPrivileges=no\\n' >{theirs} && systemctl daemon-reload")
    try:
        output = role().well().output
        assert "-NoNewPrivileges=no" in output
        assert "NoNewPrivileges=yes" in host.file(unit).content_string
        assert f"jupyter@ana.service is changed by {theirs}" in output
        assert host.file(theirs).exists
        assert "The password of ana is in plain text in" in output
        assert "people.yml" in output
    finally:
        host.check_output(f"rm {theirs} && systemctl daemon-reload")


@pytest.mark.usefixtures("as_it_was")
def test_who_leaves_takes_the_server_along_and_keeps_the_home(
    host: Host, role: Callable, ana: Server, bo: Server
) -> None:
    with bo.kernel("minimal") as kernel:
        kernel.run("import pathlib; pathlib.Path('~/diary').expanduser().write_text('secret')")
        run = role(jupyter_users=[ANA]).well()
        assert "jupyter@bo.service waits for its restart (no longer in servers)" in run.output
    role(jupyter_users=[ANA], jupyter_restart_policy="now").well()
    assert host.run("systemctl is-active jupyter@bo.service jupyter-proxy@bo.socket").stdout.split() == ["inactive"] * 2
    assert host.run("ls -d /etc/evenkeel/jupyter/bo /etc/systemd/system/*@bo*").stdout == ""
    assert host.file("/home/bo/diary").exists
    assert ana.run("minimal", "print(1)") == "1\n"
    role().well()
    assert not host.service("jupyter@bo").is_running, "it was looked at, and sleeps again"
    assert host.run("systemctl is-active jupyter-proxy@bo.socket").rc == 0


# What a run reports together stands together; each run costs seconds.
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {
                "jupyter_users": [{"name": "nobody-here"}, {"name": "root"}, {"name": "sshd"}],
                "jupyter_kernels": [{"name": "jupyter", "memory_max": "much"}],
            },
            (
                *("no user nobody-here", "root is root", "sshd may not log in", "nologin"),
                "memory_max of kernel jupyter is 'much'",
            ),
        ),
        ({"jupyter_users": [{"name": "ana"}, {"name": "ana"}]}, ("names ana twice",)),
        ({"jupyter_environment": "minimal"}, ("server: the environment", "no jupyterlab")),
        ({"jupyter_users": [{"name": "ana", "port": 22}], "jupyter_listen": "port"}, ("Port 22", "sshd")),
        ({"jupyter_users": [{"name": "ana", "token": "two words"}]}, ("The token of ana",)),
        ({"jupyter_users": [{"name": "ana", "password": ""}]}, ("The password of ana is empty",)),
        ({"jupyter_address": "0.0.0.0"}, ("jupyter_allow_remote_address",)),  # noqa: S104
        (
            {"jupyter_address": "0.0.0.0", "jupyter_allow_remote_address": True},  # noqa: S104
            ("jupyter_users names 2 users", "jupyter_users_share_cookies"),
        ),
        ({"jupyter_settings": {"ServerApp": {"sock": "/x"}}}, ("ServerApp.sock", "the role sets itself")),
        (
            {"jupyter_limits": {"memory": "64G"}, "jupyter_restart_policy": "sometimes"},
            ("memory", "jupyter_limits", "jupyter_restart_policy", "sometimes"),
        ),
    ],
)
def test_bad_input_changes_nothing(host: Host, role: Callable, variables: dict, words: tuple[str, ...]) -> None:
    before = fingerprint(host)
    run = role(**variables)
    assert run.status != 0, run.output
    for word in words:
        assert word in run.output
    assert fingerprint(host) == before


@pytest.mark.long
@pytest.mark.usefixtures("as_it_was")
def test_a_broken_environment_is_the_nodes_fault_and_told_with_the_journal(host: Host, role: Callable) -> None:
    program = "/opt/evenkeel/envs/jupyter/bin/jupyter-lab"
    host.check_output(f"systemctl stop jupyter@ana; cp -p {program} /root/; echo 'raise SystemExit(7)' >{program}")
    try:
        run = role(jupyter_on_demand=False, jupyter_users=[ANA], jupyter_restart_policy="now")
        assert run.status != 0
        assert "jupyter@ana.service: Main process exited" in run.output
        assert "It is the node's own" in run.output
        assert "ended with status 7" in run.output
    finally:
        host.check_output(f"cp -p /root/jupyter-lab {program}")


@pytest.mark.long
@pytest.mark.usefixtures("as_it_was")
def test_a_home_that_is_gone_is_its_users_problem(host: Host, role: Callable, bo: Server) -> None:
    host.check_output("systemctl stop jupyter@ana && mv /home/ana /home/away")
    try:
        run = role(jupyter_on_demand=False).well()
        assert "A problem of the user ana" in run.output
        assert "the home /home/ana is not a directory" in run.output
        assert "A problem of the user bo" not in run.output
        assert host.service("jupyter@bo").is_running
        assert bo.run("minimal", "print(1)") == "1\n"
    finally:
        host.check_output("mv /home/away /home/ana")


@pytest.mark.long
@pytest.mark.usefixtures("as_it_was")
def test_names_of_a_directory_get_their_servers(host: Host, node: Node, role: Callable) -> None:
    odd = ["eve@corp.example", r"LAB\zoe"]
    role(jupyter_users=[ANA, BO, *({"name": name} for name in odd)]).well()
    for name in odd:
        server = notebook.at(node.address, name)
        assert server.run("minimal", "import os, pwd; print(pwd.getpwuid(os.getuid()).pw_name, os.getcwd())") == (
            f"{name} /home/{name}\n"
        )


def test_with_a_full_home_there_is_a_server_to_make_room_with(host: Host, ana: Server) -> None:
    host.check_output("systemctl stop jupyter@ana")
    host.check_output("mount -t tmpfs -o size=64k,uid=ana,mode=0700 tmpfs /home/ana")
    try:
        host.run("dd if=/dev/zero of=/home/ana/full bs=1k count=64")
        assert ana.run("minimal", "import os; os.remove('/home/ana/full'); print('room')") == "room\n"
    finally:
        host.check_output("systemctl stop jupyter@ana; umount /home/ana")
