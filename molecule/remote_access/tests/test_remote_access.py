# SPDX-License-Identifier: GPL-3.0-or-later
"""What people can do on a node after the role remote_access, from their own computers, and what others still can't."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from testinfra.host import Host

from lab.nodes import ssh
from lab.nodes.nodes import Node

from .conftest import Desk

DROP_IN = "/etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf"
PEOPLE = ("ana", "bo")
ENVIRONMENTS = ["/opt/evenkeel/envs/ai-dev", "/opt/evenkeel/envs/minimal"]


def settings(host: Host, user: str) -> dict[str, str]:
    """Return what sshd says is in force for a user."""
    shown = host.check_output(f"/usr/sbin/sshd -T -C user={user},host=x,addr=192.0.2.1,laddr=192.0.2.2,lport=22")
    return dict(line.partition(" ")[::2] for line in shown.splitlines())


@pytest.mark.parametrize(("user", "allowed"), [("ana", "yes"), ("bo", "yes"), ("ops", "no")])
def test_the_group_may_forward_and_nobody_else(host: Host, user: str, allowed: str) -> None:
    found = settings(host, user)
    assert (found["allowtcpforwarding"], found["allowstreamlocalforwarding"]) == (allowed, allowed)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_notebook_is_reached_with_the_files_that_are_handed_over(files: Path, node: Node, person: str) -> None:
    config = (files / person / "ssh_config").read_text()
    port = int(re.findall(rf"{node.name}-notebook\n +LocalForward 127.0.0.1:(\d+) ", config)[0])
    page = (files / person / "start.html").read_text()
    assert f'href="http://127.0.0.1:{port}/user/{person}/lab"' in page
    browser = build_opener(ProxyHandler({}))
    with Desk(files, person).tunnel(port, f"{node.name}-notebook"):
        assert browser.open(f"http://127.0.0.1:{port}/user/{person}/lab", timeout=30).read().decode() == person


def test_who_is_not_in_the_group_reaches_no_notebook(node: Node) -> None:
    asked = subprocess.run(
        ssh.command(node.address, "-W", "127.0.0.1:8889"), check=False, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert asked.returncode != 0
    assert b"administratively prohibited" in asked.stderr


def test_vs_code_could_connect(files: Path, node: Node) -> None:
    """As Remote SSH does: a shell without a terminal that reads commands, and a proxy in the same connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    reported = 'uname -m; command -v tar; test -w "$HOME/.vscode-server" && echo writable; read -r end\n'
    argv = Desk(files, "ana").command("-T", "-D", f"127.0.0.1:{port}", node.name, "bash")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(reported)
        shell.stdin.flush()
        assert [shell.stdout.readline().strip() for _ in range(3)] == ["x86_64", "/usr/bin/tar", "writable"]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"\x05\x01\x00")
            assert client.recv(2) == b"\x05\x00"
            client.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + (8889).to_bytes(2, "big"))
            assert client.recv(10)[:2] == b"\x05\x00"
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"\r\n\r\nana")
        shell.stdin.write("end\n")


@pytest.mark.parametrize("person", PEOPLE)
def test_vs_code_lists_every_named_environment(host: Host, person: str) -> None:
    listed = host.file(f"/home/{person}/.conda/environments.txt")
    assert listed.user == person
    assert listed.content_string.split() == ENVIRONMENTS
    for prefix in ENVIRONMENTS:
        assert host.check_output(f"sudo -u {person} {prefix}/bin/python -c 'print(1)'") == "1"


def test_vs_code_opens_on_the_environment_unless_a_person_has_chosen(host: Host) -> None:
    chosen = host.file("/home/ana/.vscode-server/data/Machine/settings.json")
    assert chosen.user == "ana"
    assert json.loads(chosen.content_string) == {"python.defaultInterpreterPath": f"{ENVIRONMENTS[0]}/bin/python"}
    kept = host.file("/home/bo/.vscode-server/data/Machine/settings.json")
    assert (kept.user, kept.mode) == ("bo", 0o600)
    assert '// The one with my own build\n    "python.defaultInterpreterPath": "/home/bo/venv/bin/python",' in (
        kept.content_string
    )


def test_what_vs_code_keeps_is_its_persons_alone(host: Host) -> None:
    folder = host.file("/home/ana/.vscode-server")
    assert (folder.user, folder.mode) == ("ana", 0o700)


def test_limits_of_inotify_hold_at_the_next_boot(host: Host) -> None:
    wanted = {"fs.inotify.max_user_watches": 524288, "fs.inotify.max_user_instances": 512}
    kept = host.file("/etc/sysctl.d/60-evenkeel-inotify.conf").content_string if low(host, wanted) else ""
    assert [name for name in low(host, wanted) if f"{name} = {wanted[name]}\n" not in kept] == []


def low(host: Host, wanted: dict[str, int]) -> list[str]:
    """Return the parameters that the kernel has lower; it is the host's, whose values a container leaves."""
    return [name for name, value in wanted.items() if int(host.sysctl(name)) < value]


def test_pages_hold_no_secret(files: Path) -> None:
    assert [path for path in files.rglob("*") if path.is_file() and "the-token-of" in path.read_text()] == []
