# SPDX-License-Identifier: GPL-3.0-or-later
"""From Miniconda by hand and Jupyter as root to a node of Evenkeel's: environments and notebooks are kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lab.people import notebook
from lab.people.notebook import Server
from tests.faults.conftest import ROOT, Answer, Node, fresh_node

pytestmark = pytest.mark.long

PREFIX = "/root/miniconda3/envs/ai-dev"
INSTALLER = "Miniconda3-py311_26.7.1-0-Linux-x86_64.sh"
CELL = "import humanize, numpy; print(humanize.intcomma(int(numpy.int64(10) ** 6)))"
PAGE = {
    "cells": [
        {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": CELL},
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
UNIT = f"""[Unit]
After=network.target
[Service]
User=root
WorkingDirectory=/root/notebooks
ExecStart={PREFIX}/bin/jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --allow-root --ServerApp.token='' \\
    --ServerApp.password=''
Restart=always
[Install]
WantedBy=multi-user.target
"""
BY_HAND = """set -eu
cd /root
fetch='import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])'
python3 -c "$fetch" {mirror}/miniconda/{installer} {installer}
bash {installer} -b -c -p /root/miniconda3
bash {installer} -b -p /opt/miniconda3
printf 'channels: [defaults]\\ndefault_channels: [{mirror}/pkgs/main]\\n' >.condarc
miniconda3/bin/conda create --yes --quiet --name ai-dev python=3.11 jupyterlab ipykernel numpy
{prefix}/bin/pip install --quiet --index-url {index} --trusted-host {host} humanize tabulate
useradd --create-home --shell /bin/bash ana
install -D --owner=ana --mode=600 /home/ops/.ssh/authorized_keys /home/ana/.ssh/authorized_keys
mkdir notebooks
cp /tmp/page notebooks/of-root.ipynb
install --owner=ana --group=ana /tmp/page /home/ana/mine.ipynb
cp /tmp/unit /etc/systemd/system/jupyter.service
systemctl daemon-reload
systemctl --quiet enable --now jupyter.service
timeout 60 sh -c 'until ss --listening --tcp --numeric | grep --quiet :8888; do sleep 1; done'
find /root/miniconda3 /root/.condarc /root/.bashrc /root/notebooks /opt/miniconda3 /home/ana -type f -print0 |
    xargs --null sha256sum >/run/before
"""
#: As docs/adopt.md has them.
COPY = """cp --archive --no-clobber /root/notebooks /home/ana/notebooks
chown --recursive --no-dereference ana: /home/ana/notebooks
"""
PACKAGES = "cd {} && ls conda-meta/*.json lib/python3.11/site-packages | grep -e json$ -e -info$"
#: What the site's operator declares.
PEOPLE = {
    "jupyter_users": [{"name": "ana", "port": 8888}],
    "jupyter_ready_timeout": 120,
    "jupyter_activation_timeout": 120,
}


@pytest.fixture(scope="module")
def by_hand(worker_id: str) -> Iterator[Node]:
    """A node as the article has it, with a second Miniconda where Evenkeel's is to be."""
    with fresh_node(f"by-hand-{worker_id}") as node:
        for name, text in (("unit", UNIT), ("page", json.dumps(PAGE))):
            node.host.check_output(f"cat >/tmp/{name} <<'END'\n{text}\nEND")
        values = {"mirror": node.mirror, "index": node.pip_index, "host": urlsplit(node.pip_index).hostname}
        node.host.check_output(f"bash <<'END'\n{BY_HAND.format(installer=INSTALLER, prefix=PREFIX, **values)}END")
        yield node


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's environments: so far, the one that servers run in."""
    folder = tmp_path_factory.mktemp("environments")
    shutil.copytree(ROOT / "lab" / "environments" / "jupyter", folder / "jupyter")
    return folder


def site(node: Node, folder: Path, *environments: str, **variables: Any) -> Answer:
    """Run site.yml with these environments, as far as it is about notebooks."""
    return node.play(
        tags="miniconda,condarc,conda_environments,jupyter",
        conda_environments_directory=str(folder),
        conda_environments_list=[{"name": name} for name in environments],
        **PEOPLE,
        **variables,
    )


def test_the_report_has_all_of_it(by_hand: Node, folder: Path) -> None:
    before = by_hand.fingerprint()
    files = {"adopt_report": str(folder.parent / "adopt.json"), "adopt_exports": str(folder.parent / "exports.yml")}
    assert by_hand.play("playbooks/adopt.yml", **files).succeeded()
    report = json.loads((folder.parent / "adopt.json").read_text())["nodes"]["debian12-1"]
    assert [line.partition(": ")[0] for line in report["take_over"]] == [PREFIX]
    assert [line.partition(": ")[0] for line in report["stay"]] == [
        "/opt/miniconda3",
        "/root/miniconda3",
        "/root/.condarc",
        "/root/.bashrc",
    ]
    assert report["stop"] == [
        "jupyter.service: a notebook server as root, open to others on 0.0.0.0:8888, with the notebooks in "
        "/root/notebooks (`systemctl disable --now jupyter.service`)"
    ]
    assert [line.partition(": ")[0] for line in report["in_the_way"]] == ["/opt/miniconda3"]
    assert report["unread"] == []
    assert by_hand.fingerprint() == before


def test_site_yml_refuses_before_it_changes_anything(by_hand: Node, folder: Path) -> None:
    before = by_hand.fingerprint()
    problems = " ".join(site(by_hand, folder, "jupyter").problems())
    assert "/opt/miniconda3 is a directory that Evenkeel did not make" in problems
    assert "miniconda_prefix of the role" in problems
    assert "Port 8888, for the notebook server of ana, is in use by" in problems
    assert "jupyter.service" in problems
    assert by_hand.fingerprint() == before


@pytest.fixture(scope="module")
def ours(by_hand: Node, folder: Path) -> Server:
    """The server of Ana's, after what docs/adopt.md says."""
    exports = f"@{folder.parent / 'exports.yml'}"
    declared = {"conda_environments_directory": str(folder), "conda_environments_list": [{"name": "jupyter"}]}
    exported = by_hand.play("playbooks/export.yml", "-e", exports, **declared)
    assert exported.succeeded()
    assert "- name: ai-dev" in exported.output
    by_hand.host.check_output("systemctl disable --now jupyter.service")
    by_hand.host.check_output(f"bash <<'END'\n{COPY}END")
    assert site(by_hand, folder, "jupyter", "ai-dev", miniconda_prefix="/opt/evenkeel/miniconda3").succeeded()
    return notebook.at(by_hand.variables["ansible_host"], "ana")


@pytest.mark.usefixtures("ours")
def test_the_environment_has_the_same_packages(by_hand: Node, folder: Path) -> None:
    written = yaml.safe_load((folder / "ai-dev" / "environment.yml").read_text())
    assert {spec.partition("=")[0] for spec in written["dependencies"][:-1]} == {
        "python",
        "jupyterlab",
        "ipykernel",
        "numpy",
    }
    assert {spec.partition("=")[0] for spec in written["dependencies"][-1]["pip"]} == {"humanize", "tabulate"}
    now, then = (by_hand.host.check_output(PACKAGES.format(path)) for path in ("/opt/evenkeel/envs/ai-dev", PREFIX))
    assert now == then


def test_notebooks_of_before_open_and_run(ours: Server) -> None:
    assert ours.port == 8888
    assert "ai-dev" in ours.kernels()
    for path in ("mine.ipynb", "notebooks/of-root.ipynb"):
        (cell,) = ours.ask("GET", f"api/contents/{path}")["content"]["cells"]
        assert ours.run("ai-dev", cell["source"]) == "1,000,000\n"


@pytest.mark.usefixtures("ours")
def test_what_was_there_is_as_it_was(by_hand: Node) -> None:
    assert by_hand.host.check_output("sha256sum --check --quiet /run/before") == ""
    assert by_hand.host.run(f"{PREFIX}/bin/python -c '{CELL}'").stdout == "1,000,000\n"


def test_a_second_run_changes_nothing(by_hand: Node, folder: Path, ours: Server) -> None:
    again = site(by_hand, folder, "jupyter", "ai-dev", miniconda_prefix="/opt/evenkeel/miniconda3")
    assert again.succeeded()
    assert "changed=0" in again.output
