# SPDX-License-Identifier: GPL-3.0-or-later
"""Notebook servers of others: what is one, as a unit and as a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import adopt_info, notebook_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

BY_HAND = """\
[Service]
User=root
ExecStart=/root/miniconda3/bin/jupyter lab --ip=0.0.0.0 --no-browser --allow-root
"""


@pytest.mark.parametrize(
    ("command", "serves"),
    [
        ("/root/miniconda3/bin/jupyter lab --ip=0.0.0.0", True),
        ("/opt/conda/bin/jupyter-notebook", True),
        ("/bin/bash -c 'source activate ai && jupyter notebook --port 9999'", True),
        ("/opt/conda/bin/python -m jupyterlab --port=8888", True),
        ("/opt/tljh/hub/bin/python3 -m jupyterhub.app -f /opt/tljh/hub/config.py", True),
        ("/usr/bin/env \\\n  jupyterhub -f /etc/jupyterhub.py", True),
        ("/opt/conda/bin/jupyter nbconvert --to html x.ipynb", False),
        ("/usr/bin/python3 /srv/jupyter_exporter.py", False),
        ("/usr/bin/rsync /home/jupyter/lab /backup", False),
        ("", False),
    ],
)
def test_what_starts_a_server(command: str, serves: bool) -> None:
    assert notebook_servers.starts_server(f"[Service]\nExecStart={command}\n") is serves


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        (f"{BY_HAND}WorkingDirectory=/root/notebooks\n", "/root/notebooks"),
        (f"{BY_HAND}WorkingDirectory=-/srv\n", "/srv"),
        ("ExecStart=/x/jupyter lab --notebook-dir=/data/nb\nWorkingDirectory=/root\n", "/data/nb"),
        ("ExecStart=/x/jupyter lab --ServerApp.root_dir='/data/nb' --port=1\n", "/data/nb"),
        ("ExecStart=/bin/sh -c 'jupyter lab --NotebookApp.notebook_dir /data/nb'\n", "/data/nb"),
        (BY_HAND, ""),
    ],
)
def test_what_a_server_shows(text: str, folder: str) -> None:
    assert notebook_servers.folder_of(text) == folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with units of others and of ours."""
    place = tmp_path / "etc" / "systemd" / "system"
    place.mkdir(parents=True)
    (place / "jupyter.service").write_text(BY_HAND)
    (place / "jupyter@.service").write_text(f"# Evenkeel manages this file\n{BY_HAND}")
    (place / "lab.service").write_text(BY_HAND.replace("User=root", "WorkingDirectory=/srv/lab"))
    (place / "other.service").write_text("[Service]\nExecStart=/usr/bin/true\n")
    (place / "alias.service").symlink_to("jupyter.service")
    return tmp_path


def process(root: Path, pid: int, unit: str, *words: str) -> None:
    place = root / "proc" / str(pid)
    (place / "fd").mkdir(parents=True)
    (place / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    (place / "cgroup").write_text(f"0::/system.slice/{unit}\n")
    (place / "fd" / "3").symlink_to(f"socket:[{pid}]")
    (place / "cwd").symlink_to(f"/home/{pid}")


def test_units_and_processes_are_one_list(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(root, 10, "jupyter.service", "/root/miniconda3/bin/python", "/root/miniconda3/bin/jupyter-lab", "--ip=::")
    process(root, 11, "jupyter@ana.service", "python", "/opt/evenkeel/envs/jupyter/bin/jupyter-lab")
    process(root, 12, "session-3.scope", "/home/bo/anaconda3/bin/python", "/home/bo/anaconda3/bin/jupyter-notebook")
    process(root, 13, "session-3.scope", "tail", "-f", "/var/log/jupyter-lab")
    process(root, 14, "session-3.scope", "vim", "jupyter-lab.py")
    rows = {10: "00000000:22B8", 11: "0100007F:22B9", 12: "0100007F:22BA", 13: "00000000:0016"}
    lines = [f" 0: {end} 00000000:0000 0A 0:0 0:0 0 0 0 {inode} 1" for inode, end in rows.items()]
    (root / "proc" / "net").mkdir()
    (root / "proc" / "net" / "tcp").write_text("\n".join(["head", *lines]) + "\n")
    states = {"jupyter.service": Unit("jupyter.service", running=True, enabled=True, main_pid=10)}
    monkeypatch.setattr(notebook_servers.units, "read", lambda _names: states)
    found = notebook_servers.find(Sysroot(str(root)), str(root / "proc"))
    assert [(one["unit"], one["path"] != "", one["running"], one["enabled"], one["listens"]) for one in found] == [
        ("jupyter.service", True, True, True, ["0.0.0.0:8888"]),
        ("lab.service", True, False, False, []),
        ("session-3.scope", False, True, False, ["127.0.0.1:8890"]),
    ]
    assert [one["user"] for one in found[:2]] == ["root", "root"]
    assert [one["folder"] for one in found] == ["/home/10", "/srv/lab", "/home/12"]


def test_programs_that_set_machines_up(tmp_path: Path) -> None:
    assert adopt_info.set_up_by(Sysroot(str(tmp_path))) == []
    (tmp_path / "opt" / "tljh" / "hub").mkdir(parents=True)
    (tmp_path / "etc" / "ansible" / "facts.d").mkdir(parents=True)
    (tmp_path / "etc" / "ansible" / "facts.d" / "topology.fact").touch()
    assert [one["name"] for one in adopt_info.set_up_by(Sysroot(str(tmp_path)))] == [
        "The Littlest JupyterHub",
        "DeepOps",
    ]
