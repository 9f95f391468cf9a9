# SPDX-License-Identifier: GPL-3.0-or-later
"""A node as people have set it up by hand: adopt.yml says of each thing what becomes of it, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults import homes
from tests.faults.conftest import Node, fresh_node

pytestmark = pytest.mark.long

PLAYBOOK = "playbooks/adopt.yml"
#: Stands in for JupyterLab: systemd and /proc know no more of it than its name and its socket.
SERVER = """#!/usr/bin/python3
import socket, sys
listening = socket.create_server((sys.argv[2], int(sys.argv[3])))
listening.accept()
"""
UNIT = """[Service]
User=root
ExecStart=/opt/conda/bin/jupyter-lab lab 0.0.0.0 8888
[Install]
WantedBy=multi-user.target
"""
MESS = """set -eu
conda() { mkdir -p "$1/conda-meta" "$1/bin"; touch "$1/conda-meta/history" "$1/conda-meta/python-3.11.json"; }
conda /opt/conda; mkdir /opt/conda/condabin; conda /opt/conda/envs/vision; mkdir -p /opt/tljh/hub
useradd --create-home ana; useradd --create-home eve
conda /home/ana/anaconda3; mkdir /home/ana/anaconda3/condabin; conda /home/ana/anaconda3/envs/nlp
head --bytes=5M /dev/urandom >/home/ana/anaconda3/envs/nlp/big; chown --recursive ana: /home/ana
useradd --create-home mallory; useradd --create-home zoe
(
    cd /home/mallory
    mkdir --parents miniconda3/envs; mkfifo miniconda3/conda-meta
    conda $'miniconda3/envs/two\\nlines \\e[31m{{ 1 }}'
    conda miniconda3/envs/loop; ln --symbolic loop miniconda3/envs/loop/again; ln --symbolic . miniconda3/envs/self
    ln --symbolic /etc miniconda3/envs/etc; ln --symbolic /root anaconda-of-root
    conda miniconda3/envs/sparse; truncate --size=1T miniconda3/envs/sparse/huge
    conda projects/a/b/c/d/e/env; mkdir .conda; echo "$PWD/projects/a/b/c/d/e/env" >.conda/environments.txt
    ln --symbolic /dev/zero .condarc
    chown --recursive --no-dereference mallory: .
)
conda /root/miniconda3/envs/secret
mkdir /home/eve/.conda; mkfifo /home/eve/.conda/environments.txt; chown --recursive eve: /home/eve
cp /tmp/server /opt/conda/bin/jupyter-lab; cp /tmp/server /home/ana/anaconda3/bin/jupyter-notebook
cp /tmp/unit /etc/systemd/system/jupyter.service
systemctl daemon-reload; systemctl --quiet enable --now jupyter.service
systemd-run --quiet --uid=ana /home/ana/anaconda3/bin/jupyter-notebook notebook 127.0.0.1 8890
"""


@pytest.fixture(scope="module")
def messy(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with Anaconda in a home, conda in /opt, and Jupyter as root on all addresses."""
    with fresh_node(f"adopt-{worker_id}") as node:
        for name, text in (("server", SERVER), ("unit", UNIT)):
            node.host.check_output(f"cat >/tmp/{name} <<'END'\n{text}END")
        node.host.check_output("chmod 755 /tmp/server")
        node.host.check_output(f"bash <<'END'\n{MESS}END")
        yield node


def look(node: Node, folder: Path, **variables: Any) -> dict[str, Any]:
    """Run the playbook; return what it reports of the node."""
    answer = node.play(PLAYBOOK, adopt_report=str(folder / "adopt.json"), **variables)
    assert answer.succeeded()
    report: dict[str, Any] = json.loads((folder / "adopt.json").read_text())["nodes"]["debian12-1"]
    return report


def test_each_thing_is_reported_and_nothing_is_changed(messy: Node, tmp_path: Path) -> None:
    before = messy.fingerprint()
    report = look(messy, tmp_path)
    lines = {key: [line.partition(": ")[0] for line in report[key]] for key in ("take_over", "stay", "stop")}
    assert [path.partition("\n")[0] for path in lines["take_over"]] == [
        "/home/ana/anaconda3/envs/nlp",
        "/home/mallory/miniconda3/envs/loop",
        "/home/mallory/miniconda3/envs/sparse",
        "/home/mallory/miniconda3/envs/two",
        "/home/mallory/projects/a/b/c/d/e/env",
        "/opt/conda/envs/vision",
        "/root/miniconda3/envs/secret",
    ]
    assert lines["stay"] == ["/home/ana/anaconda3", "/opt/conda", "The Littlest JupyterHub has set up the node"]
    assert " environment of ana, 1 package (" in report["take_over"][0]
    assert report["take_over"][0].endswith("), 5M")
    assert report["take_over"][2].endswith("), 0M")
    assert report["stop"][0] == (
        "jupyter.service: a notebook server as root, open to others on 0.0.0.0:8888, with the notebooks in / "
        "(`systemctl disable --now jupyter.service`)"
    )
    assert len(report["stop"]) == 2
    assert "a notebook server as ana, with the notebooks in / (`kill " in report["stop"][1]
    assert [line.partition(". ")[0] for line in report["unread"]] == [
        "/home/eve/.conda/environments.txt: is a pipe, not a regular file",
        "/home/mallory/.condarc: is a device, not a regular file",
        "/home/mallory/anaconda-of-root/envs: Permission denied",
    ]
    assert messy.fingerprint() == before


def test_odd_names_are_no_input_of_export_yml(messy: Node, tmp_path: Path) -> None:
    look(messy, tmp_path, adopt_exports=str(tmp_path / "exports.yml"))
    exports = yaml.safe_load((tmp_path / "exports.yml").read_text())["export_list"]
    assert [one["name"] for one in exports] == ["env", "loop", "nlp", "secret", "sparse", "vision"]


def test_a_home_that_hangs_is_given_up(messy: Node, tmp_path: Path) -> None:
    with homes.hanging(messy, "zoe"):
        report = look(messy, tmp_path, adopt_seconds=3)
    assert len(report["take_over"]) == 7
    assert ["/home/zoe: there was no answer within 3 s" in line for line in report["unread"]].count(True) == 1


def test_all_that_can_t_be_exported_is_named(messy: Node, tmp_path: Path) -> None:
    listed = [
        {"node": "debian12-1", "name": "gone", "prefix": "/home/ana/gone"},
        {"node": "debian12-1", "name": "loop", "prefix": "/home/mallory/miniconda3/envs/self"},
    ]
    before = messy.fingerprint()
    answer = messy.play(
        "playbooks/export.yml", export_list=listed, conda_environments_directory=str(tmp_path / "environments")
    )
    assert answer.failed_saying(
        "Not exported", "gone: ana: /home/ana/gone is not a conda environment", "loop: mallory: "
    )
    assert not (tmp_path / "environments").exists()
    assert messy.fingerprint() == before
