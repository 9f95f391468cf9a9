# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is rid of Evenkeel by remove.yml: what was there before is there, and nothing else. Then it comes again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from testinfra.host import Host

from lab.nodes import nodes, snapshot
from lab.nodes.playbooks import Run, play
from lab.people import notebook

#: One after the other, as they stand.
pytestmark = pytest.mark.usefixtures("host")

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
BEFORE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "before.json"
#: What people have made since, in directories of Evenkeel's: each with what remove.yml says of it.
OF_PEOPLE = {
    "/etc/evenkeel/jupyter/notes": "not made by Evenkeel",
    "/etc/systemd/system/jupyter@ana.service.d/own.conf": "not made by Evenkeel",
    "/opt/evenkeel/envs/mine/conda-meta/history": "/opt/evenkeel/envs/mine: not made by Evenkeel",
    "/etc/nginx/conf.d/other.conf": "/etc/nginx/conf.d/other.conf may make it serve more",
}
NOTEBOOK = "/home/ana/mine.ipynb"
SITE = "molecule/remove/converge.yml"
USERS = [{"name": "ana"}, {"name": "bo"}]
SERVERS = {"name": "jupyter", "packages": ["python=3.11", "jupyterlab"]}


def remove(*options: str, **variables: object) -> Run:
    return play("playbooks/remove.yml", GROUP, *options, **{"remove_confirm": False, **variables})


def refused(run: Run, *words: str) -> bool:
    """Whether a run failed with a message that holds all of ``words``; shows the run where it did not."""
    assert run.status != 0, run.output
    for word in words:
        assert word in run.output, f"no {word!r} in:\n{run.output}"
    return True


def test_who_is_no_longer_listed_leaves(host: Host) -> None:
    assert "evenkeel-remote" in host.user("carl").groups
    play(SITE, GROUP, jupyter_users=USERS, jupyter_restart_policy="now").well()
    assert "evenkeel-remote" not in host.user("carl").groups
    assert "evenkeel-remote" in host.user("ana").groups
    places = "/etc/evenkeel /etc/systemd/system /run/systemd /etc/nginx/conf.d"
    assert host.run(f"find {places} -name '*carl*'").stdout == ""
    assert host.run(f"grep --recursive --files-with-matches carl {places}").stdout == ""
    assert host.check_output("systemctl list-units --all '*@carl*' --no-legend") == ""
    assert host.file("/home/carl").exists


def test_an_environment_that_is_no_longer_listed_is_named_and_goes_on_request(host: Host) -> None:
    said = play(SITE, GROUP, conda_environments_list=[SERVERS]).well().output
    assert "The node has the environment minimal, which is not declared" in said
    assert "{name: minimal, state: absent}" in said
    assert host.file("/opt/evenkeel/envs/minimal/bin/python").exists
    play(SITE, GROUP, conda_environments_list=[SERVERS, {"name": "minimal", "state": "absent"}]).well()
    left = host.run("ls -d /opt/evenkeel/envs/minimal /opt/evenkeel/generations/minimal").stdout
    assert left + host.run("find / -xdev -path '*/kernels/minimal*'").stdout == ""


def test_what_can_not_be_removed_is_refused() -> None:
    there = snapshot.of(GROUP)
    assert refused(remove(remove_layers="jupyter,nowhere"), "nowhere", "front_door, jupyter")
    assert refused(remove(remove_layers="jupyter"), "jupyter carries front_door", "remove_layers")
    assert refused(remove(remove_layers="front_door", front_door_enabled=True), "front_door_enabled")
    assert refused(play("playbooks/remove.yml", GROUP, remove_layers="front_door"), "remove_confirm=false")
    assert snapshot.difference(there, snapshot.of(GROUP)) == []


def test_a_rehearsal_changes_nothing_and_names_what_goes(host: Host) -> None:
    there = snapshot.of(GROUP)
    shown = remove("--check").well().output
    assert "evenkeel-front-door.conf" in shown
    assert host.check_output("cat /etc/evenkeel/jupyter/ana/token").strip() not in shown
    assert snapshot.difference(there, snapshot.of(GROUP)) == []


def test_what_people_have_made_stays_and_is_named(host: Host) -> None:
    for path in OF_PEOPLE:
        host.check_output("install -D /dev/null %s", path)
    host.check_output("sudo --user ana touch %s", NOTEBOOK)
    said = remove().well().output
    for path, words in OF_PEOPLE.items():
        assert words in said
        assert host.file(path).exists
    assert host.file(NOTEBOOK).exists
    assert host.service("nginx").is_running
    for path in (*OF_PEOPLE, "/opt/evenkeel/envs/mine"):
        host.check_output("rm -r %s", path)


def test_nothing_else_is_left(host: Host) -> None:
    remove().well()
    assert snapshot.difference(snapshot.read(BEFORE), snapshot.of(GROUP)) == []
    assert not host.package("nginx").is_installed
    assert host.check_output("systemctl list-units --all 'jupyter*' 'evenkeel*' --no-legend") == ""


def test_a_second_run_changes_nothing() -> None:
    assert not remove().well().changed


def test_the_environment_comes_again(host: Host) -> None:
    play(SITE, GROUP).well()
    (node,) = nodes.find(GROUP)
    for user in ("ana", "bo"):
        assert notebook.at(node.address, user).run("minimal", "print(6 * 7)") == "42\n"
    assert host.service("nginx").is_running
