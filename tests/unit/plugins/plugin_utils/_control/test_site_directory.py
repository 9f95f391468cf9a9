# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the own files of a site are, however its inventory is given, and that Ansible reads no hosts from them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import site_directory

HOSTS = "inventories/mine/hosts.yml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with inventories as folders, one within another, and as a file."""
    for path in (HOSTS, "inventories/mine/eu/hosts.yml", "hosts.yml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("all: {hosts: {node1: }}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("inventory", "sources", "there", "place"),
    [
        pytest.param("inventories/mine", ["inventories/mine"], "", "inventories/.evenkeel/mine", id="a folder"),
        pytest.param("inventories/mine", ["inventories/mine/"], "", "inventories/.evenkeel/mine", id="with a slash"),
        pytest.param("inventories/mine", ["inventories"], "", "inventories/.evenkeel/mine", id="with its neighbours"),
        pytest.param("inventories/mine", ["hosts.yml", "inventories/mine"], "", "inventories/.evenkeel/mine", id="two"),
        pytest.param("inventories/mine", [HOSTS], "", "inventories/mine/.evenkeel", id="a file"),
        pytest.param("inventories/mine", [HOSTS], "inventories/.evenkeel/mine", "inventories/.evenkeel/mine", id="now"),
        pytest.param(
            "inventories/mine",
            ["inventories/mine"],
            "inventories/mine/.evenkeel",
            "inventories/mine/.evenkeel",
            id="a folder, of which a file was given before",
        ),
        pytest.param("inventories/mine/eu", ["inventories/mine"], "", "inventories/mine/.evenkeel/eu", id="within"),
        pytest.param("", ["hosts.yml"], "", ".evenkeel", id="a file in the project"),
        pytest.param(None, ["node1,"], "", "work/.evenkeel", id="a list"),
        pytest.param(None, [], "", "work/.evenkeel", id="none"),
    ],
)
def test_where_it_is(project: Path, inventory: str | None, sources: list[str], there: str, place: str) -> None:
    if there:
        (project / there).mkdir(parents=True)
    folder = None if inventory is None else str(project / inventory)
    given = [one if "," in one else f"{project}/{one}" for one in sources]
    assert site_directory.site_directory(folder, given, project / "work") == project / place


def test_git_ignores_it(project: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    site_directory.make(project / "inventories/.evenkeel/mine/ca", 0o700)
    (project / "inventories/.evenkeel/mine/ca/ca-key.pem").touch()
    git = ["git", "-C", str(project), "status", "--porcelain", "--untracked-files=all"]
    assert ".evenkeel" not in subprocess.run(git, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("inventory", ["inventories/mine", "inventories", "inventories/mine/eu", HOSTS])
def test_ansible_takes_nothing_there_for_hosts(project: Path, inventory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("inventories/mine", "inventories/mine/eu"):
        for given in (folder, f"{folder}/hosts.yml"):
            place = site_directory.site_directory(str(project / folder), [str(project / given)], project)
            site_directory.make(place / "ca")
            (place / "ca" / "ca-key.pem").write_text("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n")
    said: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text, *_unused, **_options: said.append(text))
    assert (list(InventoryManager(DataLoader(), [str(project / inventory)]).hosts), said) == (["node1"], [])
