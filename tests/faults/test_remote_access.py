# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role remote_access does with sshd's settings that can't be, homes that can't be written, and bad input.

A session that is open before goes on through all of it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from lab.nodes import ssh
from tests.faults import homes
from tests.faults.conftest import Answer, Node, ansible, finish

PLAYBOOK = "molecule/remote_access/converge.yml"
DROP_IN = "/etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf"
SITE = "/etc/ssh/sshd_config.d/10-site.conf"
CONFIG = "/etc/ssh/sshd_config"
OVERRIDE = "/etc/systemd/system/ssh.service.d/fault.conf"
MACHINE = ".vscode-server/data/Machine"
ALL_RIGHT = ("bo", "ana", "lena", "cy", "dan", "eve", "flo")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
STORE = "/opt/evenkeel/vscode"
ENTRY = {
    "user": "ana",
    "address": "127.0.0.1",
    "port": 8889,
    "socket": None,
    "base_url": "/user/ana/",
    "scheme": "http",
    "token_file": "/etc/evenkeel/jupyter/ana/token",
    "unit": "jupyter@ana.service",
}


def strip(node: Node) -> None:
    node.host.run(f"test -e /root/{CONFIG} && mv /root/{CONFIG} {CONFIG}")
    node.host.run("for user in ana bo; do gpasswd --delete $user evenkeel-remote; userdel --remove $user; done")
    node.host.run("groupdel evenkeel-remote; rm -rf /opt/evenkeel /etc/sysctl.d/60-evenkeel-inotify.conf")
    node.host.check_output(f"rm -f {DROP_IN} {SITE} {OVERRIDE}; systemctl daemon-reload; systemctl reload ssh")
    wait.until(lambda: accepts_sessions(node), "sshd listens again", "systemctl status ssh", seconds=30)


@pytest.fixture(scope="module")
def lent(node: Node) -> Iterator[Node]:
    """The node, as it was when all is over."""
    yield node
    strip(node)


@pytest.fixture
def people(lent: Node) -> Node:
    """A node with two people and an environment, which the role has not seen."""
    node = lent
    strip(node)
    node.host.check_output(
        "useradd --create-home ana && useradd --create-home bo && mkdir -p /opt/evenkeel/envs/ai-dev/conda-meta"
        " /opt/evenkeel/envs/ai-dev/bin && ln -s /usr/bin/python3 /opt/evenkeel/envs/ai-dev/bin/python"
    )
    return node


@pytest.fixture
def session(people: Node) -> Iterator[subprocess.Popen[str]]:
    """A session that is open, in which a person types lines and gets them back."""
    argv = ssh.command(people.variables["ansible_host"], remote=("cat",))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert echoes(process)
        yield process
        assert process.stdin is not None
        process.stdin.close()


def echoes(session: subprocess.Popen[str]) -> bool:
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write("still here\n")
    session.stdin.flush()
    return session.stdout.readline() == "still here\n"


def play(node: Node, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, **{"conda_environments_list": [], "remote_access_environment": "ai-dev", **variables})


def accepts_sessions(node: Node) -> bool:
    return ssh.answers(node.variables["ansible_host"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AllowTcpForwarding": "perhaps"}, ("nothing was changed", f"{DROP_IN}", "line 3")),
        ({"AllowTcpForwardin": "yes"}, ("nothing was changed", "Bad configuration option: AllowTcpForwardin")),
        ({"ListenAddress": "0.0.0.0"}, ("nothing was changed", "is not allowed within a Match block")),  # noqa: S104
        ({"Match": "all"}, ("'Match', which is not a keyword",)),
        ({"Banner": "none\nPermitRootLogin yes"}, ("is not a value of one line",)),
    ],
)
def test_settings_that_sshd_cannot_read_change_nothing(
    people: Node, session: subprocess.Popen[str], settings: dict[str, str], words: tuple[str, ...]
) -> None:
    before = people.fingerprint()
    assert play(people, remote_access_sshd_settings=settings).failed_saying(*words)
    assert people.fingerprint() == before
    assert echoes(session)
    assert accepts_sessions(people)


def test_wrong_settings_leave_the_old_ones_in_force(people: Node, session: subprocess.Popen[str]) -> None:
    assert play(people).succeeded()
    before = people.fingerprint()
    assert play(people, remote_access_sshd_settings={"AllowTcpForwarding": "perhaps"}).failed_saying(DROP_IN)
    assert people.fingerprint() == before
    assert echoes(session)


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (
            "Match User ana\n  AllowTcpForwarding no\n",
            ("AllowTcpForwarding is no for ana", f"{SITE}:2: AllowTcpForwarding no"),
        ),
        ("AllowTcpForwarding maybe\n", ("could not read its configuration even before", SITE)),
    ],
)
def test_another_file_that_comes_first_is_named(people: Node, site: str, words: tuple[str, ...]) -> None:
    people.host.check_output("printf %%s %s >" + SITE, site)
    before = people.fingerprint()
    assert play(people).failed_saying(*words)
    assert people.fingerprint() == before


def test_sshd_that_reads_no_drop_ins_needs_a_word(people: Node) -> None:
    people.host.check_output(f"mkdir -p /root/etc/ssh && cp -a {CONFIG} /root/{CONFIG} && sed -i /^Include/d {CONFIG}")
    before = people.fingerprint()
    assert play(people).failed_saying(f"{CONFIG} does not include", "remote_access_sshd_drop_in")
    assert people.fingerprint() == before

    # What it allows to everybody is in force for the group as well; what it does not is reported.
    assert play(people, remote_access_sshd_drop_in=False).succeeded()
    assert not people.host.file(DROP_IN).exists
    people.host.check_output(f"echo AllowTcpForwarding no >>{CONFIG}")
    answer = play(people, remote_access_sshd_drop_in=False)
    assert answer.failed_saying("AllowTcpForwarding is no for ana, bo", "AllowTcpForwarding no")


def test_a_reload_that_fails_brings_the_old_file_back(people: Node, session: subprocess.Popen[str]) -> None:
    people.host.check_output(
        f"mkdir -p {Path(OVERRIDE).parent} && printf '[Service]\\nExecReload=\\nExecReload=/bin/false\\n' >{OVERRIDE}"
        " && systemctl daemon-reload"
    )
    assert play(people).failed_saying("systemctl reload ssh.service", "the old settings are restored")
    assert not people.host.file(DROP_IN).exists
    assert echoes(session)
    assert accepts_sessions(people)


def test_a_file_that_sshd_has_not_read_is_read(people: Node) -> None:
    assert play(people).succeeded()
    assert "changed=0" in play(people).output
    people.host.check_output(f"touch {DROP_IN}")
    assert "changed=1" in play(people).output
    assert "changed=0" in play(people).output


def test_what_a_hand_has_broken_is_repaired(people: Node) -> None:
    assert play(people).succeeded()
    people.host.check_output(f"sed -i s/yes/perhaps/ {DROP_IN}")
    people.host.check_output("! /usr/sbin/sshd -t")
    assert play(people).succeeded()
    people.host.check_output("/usr/sbin/sshd -t")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"remote_access_users": ["ana", "nobody-here", "nor-here"]}, ("no user nobody-here, nor-here",)),
        ({"remote_access_users": ["root"]}, ("remote_access_users contains root",)),
        ({"remote_access_users": ["ana", "ana"]}, ("contains a name twice",)),
        ({"remote_access_users": ["../ana", "a b"]}, ("../ana, a b", "can't be names of users")),
        ({"remote_access_users": "ana"}, ("remote_access_users",)),
        ({"remote_access_group": "a,b"}, ("remote_access_group is a,b",)),
        ({"remote_access_group": "sudo"}, ("The group is sudo",)),
        (
            {"remote_access_inotify": {"fs.inotify.max_user_watches": "many"}},
            ("fs.inotify.max_user_watches no whole number",),
        ),
        ({"remote_access_inotify": {"../x": 1}}, ("../x is not a kernel parameter",)),
    ],
)
def test_bad_input_changes_nothing(people: Node, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    group = people.host.run("getent group evenkeel-remote").rc
    assert play(people, **variables).failed_saying(*words)
    if "remote_access_inotify" not in variables:
        assert not people.host.file(DROP_IN).exists
        assert people.host.run("getent group evenkeel-remote").rc == group
    assert not people.host.file("/home/ana/.vscode-server").exists


def test_an_environment_that_is_not_there(people: Node) -> None:
    answer = play(people, remote_access_environment="ai-deb")
    assert answer.failed_saying("no environment with a Python at /opt/evenkeel/envs/ai-deb; there is ai-dev")
    assert not people.host.file("/home/ana/.vscode-server").exists


#: What is in the way of a user's settings, with what comes of it.
IN_THE_WAY = {
    "cy": (f"echo '{{\"a\": 1' >{MACHINE}/settings.json", "line 2 is not JSON with comments"),
    "dan": (f"ln -s /etc/shadow {MACHINE}/settings.json", "Permission denied"),
    "eve": (f"mkfifo {MACHINE}/settings.json", "is a pipe, not a regular file"),
    "flo": (f"chown root {MACHINE}", "could not be written: Permission denied"),
    "gus": ("rm -rf $PWD", "there is no home /home/gus"),
    "hal": ("", "/home/hal: there was no answer within 10 s"),
}


def test_what_is_wrong_in_one_home_is_told_and_the_others_are_kept(people: Node) -> None:
    with homes.people(people, IN_THE_WAY, {"lena": 70001}, hangs="hal"):
        for user, (make, _) in IN_THE_WAY.items():
            if make:
                made = f"cd /home/{user} && sudo -u {user} mkdir -p {MACHINE} && {make}"
                people.host.check_output("sh -c %s", made)
        people.host.check_output(
            "sudo -u bo sh -c %s", "mkdir ~bo/.conda; printf 'caf\\351\\n' >~bo/.conda/environments.txt"
        )
        shadow = people.host.check_output("sha256sum /etc/shadow")
        reported: dict[str, Any] = {
            "remote_access_users": ["ana", "bo", "lena", *IN_THE_WAY],
            "ansible_python_interpreter": homes.SQUASHED,
        }
        answer = play(people, **reported)
        assert answer.succeeded()
        shown = " ".join(answer.output.split())
        for user, (_, problem) in IN_THE_WAY.items():
            assert f"A problem of the user {user}, which does not affect others: " in shown
            assert problem in shown
        assert people.host.check_output("sha256sum /etc/shadow") == shadow
        listed = {user: people.host.check_output(f"cat -v /home/{user}/.conda/environments.txt") for user in ALL_RIGHT}
        assert listed == {
            "bo": "cafM-i\n/opt/evenkeel/envs/ai-dev",
            **dict.fromkeys(ALL_RIGHT[1:], "/opt/evenkeel/envs/ai-dev"),
        }
        assert people.host.check_output("stat --format=%U /home/lena/.conda/environments.txt") == "lena"
        assert "evenkeel-remote" in people.host.check_output("id --name --groups lena").split()
        assert "changed=0" in play(people, **reported).output


def test_a_list_of_environments_that_is_no_text_is_kept(people: Node) -> None:
    listed = "/home/ana/.conda/environments.txt"
    people.host.check_output(
        f"install -d --owner=ana /home/ana/.conda && printf 'caf\\351\\n\\033[2K\\n' >{listed} && chown ana {listed}"
    )
    variables = json.dumps({"conda_environments_list": [], "remote_access_environment": "ai-dev"})
    process = ansible("playbook", PLAYBOOK, "--diff", f"--extra-vars={variables}", EVENKEEL_LAB_GROUP=people.group)
    answer = finish(process)
    assert answer.succeeded()
    assert "+/opt/evenkeel/envs/ai-dev" in answer.output
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", answer.output)
    kept = people.host.check_output(f"head --lines=2 {listed} | base64")
    assert base64.b64decode(kept) == b"caf\xe9\n\x1b[2K\n"


def archive(path: Path, files: dict[str, str]) -> str:
    """Make an archive of programs, and return its SHA-256."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> dict[str, str]:
    """What stands in for VS Code's server and its command line, as the role is given them."""
    files, cli = tmp_path / "vscode-server-linux-x64.tar.gz", tmp_path / "vscode_cli_alpine_x64_cli.tar.gz"
    top = "vscode-server-linux-x64"
    product = json.dumps({"commit": COMMIT})
    sha256 = archive(files, {f"{top}/bin/code-server": "#!/bin/sh\necho 1.99.0\n", f"{top}/product.json": product})
    cli_sha256 = archive(cli, {"code": "#!/bin/sh\necho code\n"})
    return {
        "commit": COMMIT,
        "archive": str(files),
        "sha256": sha256,
        "cli_archive": str(cli),
        "cli_sha256": cli_sha256,
    }


def test_a_server_of_vs_code_is_unpacked_once_and_found_by_everybody(people: Node, server: dict[str, str]) -> None:
    assert play(people, remote_access_vscode_server=server).succeeded()
    for user in ("ana", "bo"):
        home = f"/home/{user}/.vscode-server"
        started = people.host.check_output(
            f"sudo -u {user} sh -c '{home}/cli/servers/Stable-{COMMIT}/server/bin/code-server && {home}/code-{COMMIT}'"
        )
        assert started.split() == ["1.99.0", "code"]
    assert people.host.file(f"{STORE}/{COMMIT}/server/bin/code-server").user == "root"
    assert "changed=0" in play(people, remote_access_vscode_server=server).output


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sha256": "0" * 64}, ("has the SHA-256", f"not {'0' * 64}")),
        ({"commit": "f" * 40}, (f"is of commit {COMMIT}, not {'f' * 40}",)),
        ({"commit": "1.99"}, ("commit of server (remote_access_vscode_server of the role) is '1.99'",)),
        ({"archive": "/nowhere.tar.gz"}, ("/nowhere.tar.gz is not a file on the control node",)),
        ({"cli_sha256": ""}, ("cli_archive and cli_sha256 go together",)),
    ],
)
def test_a_server_of_vs_code_that_is_not_the_one(
    people: Node, server: dict[str, str], wrong: dict[str, str], words: tuple[str, ...]
) -> None:
    assert play(people, remote_access_vscode_server={**server, **wrong}).failed_saying(*words)
    assert people.host.run(f"ls {STORE}").stdout.split() == []
    assert not people.host.file("/home/ana/.vscode-server").exists


def list_servers(node: Node, **differing: Any) -> None:
    """Have the node tell of a notebook server of Ana's, and of one that all share."""
    servers = [{**ENTRY, **differing}, {**ENTRY, "user": "jupyter", "base_url": "/", "port": 8888, "scheme": "https"}]
    node.host.check_output("mkdir -p /etc/evenkeel/jupyter/ana && printf to+ken >/etc/evenkeel/jupyter/ana/token")
    node.host.check_output("printf %%s %s >/etc/evenkeel/jupyter/servers.json", json.dumps({"servers": servers}))


def test_what_a_node_says_never_ends_as_an_option_of_ssh(people: Node, tmp_path: Path) -> None:
    list_servers(people, port=None, socket="/run/x\n    ProxyCommand touch /tmp/owned")
    answer = people.play("playbooks/client_config.yml", client_config_directory=str(tmp_path))
    assert answer.succeeded()
    assert "as its socket; that server is not in the files" in answer.output
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "ProxyCommand" in path.read_text()] == []


def test_a_node_that_cannot_be_reached_is_named(people: Node, tmp_path: Path) -> None:
    answer = people.play("playbooks/client_config.yml", client_config_directory=str(tmp_path), ansible_port=1)
    assert "debian12-1 could not be reached; it is not in the files." in answer.output
    assert "Host" not in (tmp_path / "ssh_config").read_text()


def test_tokens_are_in_the_pages_only_when_they_are_asked_for(people: Node, tmp_path: Path) -> None:
    list_servers(people)
    arguments: dict[str, Any] = {"playbook": "playbooks/client_config.yml", "client_config_directory": str(tmp_path)}
    assert people.play(**arguments).succeeded()
    page = tmp_path / "ana" / "start.html"
    assert "to%2Bken" not in page.read_text()
    assert "ssh debian12-1 cat /etc/evenkeel/jupyter/ana/token" in page.read_text()
    shared = (tmp_path / "jupyter" / "start.html").read_text()
    assert "Host debian12-1 debian12-1-notebook\n    User your-account" in shared
    assert "Your operator has it." in shared
    assert "User" not in (tmp_path / "jupyter" / "ssh_config").read_text().replace("User your", "")

    answer = people.play(**arguments, client_config_secrets=True)
    assert answer.succeeded()
    assert "to+ken" not in answer.output
    assert "?token=to%2Bken" in page.read_text()
    assert (page.stat().st_mode & 0o777, page.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "to%2Bken" not in (tmp_path / "ana" / "ssh_config").read_text()
    assert "changed=0" in people.play(**arguments, client_config_secrets=True).output

    people.host.check_output("truncate --size=40G /etc/evenkeel/jupyter/ana/token")
    answer = people.play(**arguments, client_config_secrets=True)
    assert answer.succeeded()
    assert "the token of ana has other characters" in answer.output
