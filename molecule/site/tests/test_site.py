# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes are after site.yml, and what more runs of it do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from testinfra.host import Host

from lab import demo
from lab.people import browser, notebook
from lab.people.browser import Page

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])


def play(*arguments: str) -> str:
    """Run a playbook from the project's root as an operator does, and return its output."""
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory", str(ROOT / "molecule" / "inventory")]
    without_molecule = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [*command, *arguments],
        check=False,
        cwd=ROOT,
        env={**without_molecule, "ANSIBLE_CACHE_PLUGIN": "memory"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environments(host: Host) -> list[str]:
    """Return the names of the declared environments that people compute in."""
    declared = host.ansible.get_variables()["conda_environments_list"]
    return [environment["name"] for environment in declared if environment["name"] != "jupyter"]


def test_every_kernel_runs_a_cell(host: Host) -> None:
    server = notebook.at(host.ansible.get_variables()["ansible_host"])
    kernels = server.kernels()
    assert set(environments(host)) <= set(kernels)
    for kernel in environments(host):
        prefix = server.run(kernel, "import sys; print(sys.prefix)").strip()
        assert prefix.startswith(f"/opt/evenkeel/generations/{kernel}/")


def test_the_link_that_the_demo_prints_opens_a_notebook(host: Host) -> None:
    server = notebook.at(host.ansible.get_variables()["ansible_host"])
    with browser.tunnel(server.address, notebook.PORT) as url, browser.opened() as window:
        assert window.open(f"{url}/lab?token={server.token}") is Page.LAB
        window.new_notebook("AI (Python 3.11)")
        assert window.run("print(6 * 7)").text == "42\n"


def test_the_environment_for_data_science_computes(host: Host) -> None:
    code = (
        "import numpy, pandas, sklearn.linear_model as models, matplotlib; "
        "model = models.LinearRegression().fit(numpy.arange(4).reshape(-1, 1), [1, 3, 5, 7]); "
        "print(pandas.Series(model.predict([[4]])).round(6).tolist())"
    )
    output = host.check_output("sudo -u nobody /opt/miniconda3/bin/conda run --name ai-dev python -c %s", code)
    assert output == "[9.0]"


def test_nodes_with_the_same_packages_have_the_same_digest(host: Host) -> None:
    markers = [
        json.loads(other.file("/opt/evenkeel/envs/ai-dev/conda-meta/evenkeel").content_string)
        for other in type(host).get_hosts(
            ["ansible://gpu_nodes"], ansible_inventory=str(ROOT / "molecule/inventory"), sudo=True
        )
    ]
    assert len(markers) > 1
    assert len({marker["digest"] for marker in markers}) == 1


def test_a_rehearsal_would_change_nothing() -> None:
    demo.require_unchanged(play("site.yml", "--check", "--diff"))


def test_a_restart_that_a_killed_run_left_out_is_made_up_for(host: Host) -> None:
    main_pid = "systemctl show --property=MainPID --value jupyter@jupyter"
    before = host.check_output(main_pid)
    host.check_output("touch /etc/evenkeel/jupyter/jupyter_server_config.py")
    # Whatever a browser has left open is ended.
    one_node = (
        "site.yml",
        "--tags",
        "jupyter",
        "--limit",
        host.backend.get_hostname(),
        "-e",
        "jupyter_restart_policy=now",
    )
    play(*one_node)
    assert host.check_output(main_pid) != before
    demo.require_unchanged(play(*one_node))
