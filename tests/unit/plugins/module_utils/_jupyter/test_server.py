# SPDX-License-Identifier: GPL-3.0-or-later
"""A notebook server as files, and how exposed its units are by systemd's own measure."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import accounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as jupyter_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import Limits, Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import unit_text

ROLE = Path(__file__).parents[5] / "roles" / "jupyter"
FOLDER = "/etc/evenkeel/jupyter"
ANA = Server(
    Account("ana", "/home/ana", "/bin/bash", 1001, 1001), "127.0.0.1", 8889, "/user/ana/", "/home/ana", token="hush"
)
SERVICE = Server(Account("jupyter", "/var/lib/jupyter", "/bin/bash", 998, 998), "::1", 8888, "/", "/data", token="hush")


#: Names that directory services give, as instances of units, sockets and paths of URLs.
ODD_NAMES = [
    ("ana", "ana", "ana", "ana"),
    ("Ana.B-c_1", "Ana.B-c_1", "Ana.B-c_1", "Ana.B-c_1"),
    ("eve@corp.example", r"eve\x40corp.example", "eve@corp.example", "eve@corp.example"),
    (r"LAB\ana", r"LAB\x5cana", "LAB+ana", "LAB%5Cana"),
    ("LAB+ana", r"LAB\x2bana", "LAB=2bana", "LAB%2Bana"),
    ("LAB=2bana", r"LAB\x3d2bana", "LAB=3d2bana", "LAB%3D2bana"),
    ("node1$", r"node1\x24", "node1=24", "node1%24"),
    ("ana maria", r"ana\x20maria", "ana=20maria", "ana%20maria"),
    ("50%ana", r"50\x25ana", "50=25ana", "50%25ana"),
    ("zoë", r"zo\xc3\xab", "zo=c3=ab", "zo%C3%AB"),
    ("李雷", r"\xe6\x9d\x8e\xe9\x9b\xb7", "=e6=9d=8e=e9=9b=b7", "%E6%9D%8E%E9%9B%B7"),
    ("o'neill\"", r"o\x27neill\x22", "o=27neill=22", "o%27neill%22"),
    ("a" * 64, "a" * 64, "a" * 64, "a" * 64),
]


@pytest.mark.parametrize(("user", "instance", "socket", "path"), ODD_NAMES)
def test_odd_names(user: str, instance: str, socket: str, path: str) -> None:
    assert accounts.problem(user, Account(user, "/home/x", "/bin/bash", 1001, 1001)) is None
    assert unit_text.escape(user) == instance
    assert unit_text.unescape(instance) == user
    assert jupyter_server.instance(user, jupyter_server.SERVICE) == f"jupyter@{instance}.service"
    assert jupyter_server.socket_name(user) == socket
    assert jupyter_server.base_url(user) == f"/user/{path}/"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("user", [name for name, *_ in ODD_NAMES])
def test_systemd_takes_odd_names(tmp_path: Path, user: str) -> None:
    server = replace(ANA, account=replace(ANA.account, name=user, home=f"/home/{user}"), root_dir=f"/home/{user}")
    unit = tmp_path / jupyter_server.instance(user, jupyter_server.SERVICE)
    own = f"{FOLDER}/{unit_text.escape(user)}"
    unit.write_text(service_template() + jupyter_server.service_drop_in(server, own))
    argv = ["systemd-analyze", "--man=no", "--generators=no", "verify", str(unit)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    complaints = [line for line in done.stderr.splitlines() if str(unit.name) in line or "ignoring" in line]
    assert complaints == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("/home/ana", "/home/ana"),
        ("A=/x-1.2@b", "A=/x-1.2@b"),
        ("/home/ana maria", '"/home/ana maria"'),
        (r"/home/LAB\ana", r'"/home/LAB\\ana"'),
        ("/home/50%", '"/home/50%%"'),
        ('/home/"', r'"/home/\""'),
    ],
)
def test_words_of_a_setting(text: str, word: str) -> None:
    assert unit_text.word(text) == word


def service_template() -> str:
    """Return the text of the unit that all servers share."""
    template = jinja2.Template((ROLE / "templates" / "jupyter@.service.j2").read_text(), trim_blocks=True)
    return template.render(
        jupyter_writable_paths=["/data"], jupyter_ready_timeout=60, __jupyter_config="/x", __jupyter_environment="/x"
    )


@pytest.mark.parametrize(
    ("server", "lines"),
    [
        (ANA, ["ListenStream=127.0.0.1:8889", "FreeBind=yes"]),
        (SERVICE, ["ListenStream=[::1]:8888", "FreeBind=yes"]),
        (replace(ANA, port=None), ["ListenStream=/run/evenkeel-jupyter/ana.sock", "SocketUser=ana", "SocketMode=0600"]),
        (
            replace(ANA, port=None, socket_group=("www-data", 33)),
            [
                *("ListenStream=/run/evenkeel-jupyter/ana.sock", "SocketUser=ana"),
                *("SocketGroup=www-data", "SocketMode=0660"),
            ],
        ),
    ],
)
def test_where_a_server_is_reached(server: Server, lines: list[str]) -> None:
    text = jupyter_server.socket_drop_in(server)
    assert text.splitlines()[2:] == lines
    assert jupyter_server.port_of(text) == server.port


@pytest.mark.parametrize(
    ("server", "lines"),
    [
        (ANA, {"User=ana", "ProtectHome=tmpfs", "BindPaths=/home/ana", "ReadWritePaths=/home/ana", "Restart=always"}),
        (SERVICE, {"ProtectHome=yes", "ReadWritePaths=/var/lib/jupyter /data"}),
        (replace(ANA, root_dir="/home/ana/work"), {"ReadWritePaths=/home/ana"}),
        (replace(ANA, on_demand=True), {"Restart=on-failure"}),
        (replace(ANA, limits=Limits("64G", "800%", "4096", "65536")), {"MemoryMax=64G", "CPUQuota=800%"}),
        (replace(ANA, limits=Limits("64G", "800%", "4096", "65536")), {"TasksMax=4096", "LimitNOFILE=65536"}),
    ],
)
def test_what_systemd_has_to_know(server: Server, lines: set[str]) -> None:
    assert lines <= set(jupyter_server.service_drop_in(server, f"{FOLDER}/ana").splitlines())


def test_a_server_knows_its_hosts() -> None:
    asked = {"NodeIdentityProvider": {"own_hosts": ["bo.gpu1.example.com"], "token": ""}}
    server = replace(ANA, hosts=("localhost", "ana.gpu1.test"), own_hosts=("ana.gpu1.test",), settings=asked)
    assert jupyter_server.settings(server, "/x")["NodeIdentityProvider"] == {
        "hosts": ["localhost", "ana.gpu1.test"],
        "own_hosts": ["ana.gpu1.test"],
    }


def test_settings_that_were_asked_for_give_way() -> None:
    asked = {"ServerApp": {"root_dir": "/", "terminals_enabled": False, "shutdown_no_activity_timeout": 60}}
    found = jupyter_server.settings(replace(ANA, settings=asked), f"{FOLDER}/ana")["ServerApp"]
    assert found == {
        "base_url": "/user/ana/",
        "root_dir": "/home/ana",
        "shutdown_no_activity_timeout": 0,
        "sock": "/run/jupyter-ana/server.sock",
        "terminals_enabled": False,
    }
    on_demand = jupyter_server.settings(replace(ANA, settings=asked, on_demand=True), f"{FOLDER}/ana")["ServerApp"]
    assert on_demand["shutdown_no_activity_timeout"] == 60
    assert "terminals_enabled" in asked["ServerApp"]
    assert asked["ServerApp"]["root_dir"] == "/"


def test_secrets_are_the_users_alone_and_nowhere_else() -> None:
    server = replace(ANA, token="hush-token", hashed_password="hush-hash", certificate="public", key="hush-key")
    files = jupyter_server.files(server, FOLDER)
    secret = {path for path in files if path.rpartition("/")[2] in jupyter_server.SECRETS}
    assert secret == {f"{FOLDER}/ana/{name}" for name in ("token", "password", "key.pem")}
    for path, file in files.items():
        assert file is not None
        assert ("hush" in file.text) == (path in secret)
        assert (file.uid, file.mode) == ((1001, 0o600) if path in secret else (0, 0o644))
    assert "hush" not in json.dumps(server.entry(FOLDER))


def test_what_is_not_wanted_is_not_there() -> None:
    files = jupyter_server.files(ANA, FOLDER)
    assert [path for path, file in files.items() if file is None] == [
        f"{FOLDER}/ana/{name}" for name in ("password", "certificate.pem", "key.pem")
    ]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("server", [ANA, SERVICE], ids=["a person", "a service"])
@pytest.mark.parametrize("name", ["jupyter@.service", "jupyter-proxy@.service"])
def test_exposure_is_low(tmp_path: Path, server: Server, name: str) -> None:
    """Hold the units to 2.5 of 10 by ``systemd-analyze security``, which needs no systemd that runs."""
    if name == jupyter_server.SERVICE:
        text = service_template()
        text += jupyter_server.service_drop_in(server, FOLDER)
    else:
        text = (ROLE / "files" / name).read_text() + f"[Service]\nUser={server.user}\n"
    unit = tmp_path / name.replace("@", "@ana")
    unit.write_text(text)
    argv = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(unit)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
