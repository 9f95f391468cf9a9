# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from lab import commands, locks, paths
from lab.errors import LabError
from lab.nodes import nodes, podman
from lab.nodes.podman import Container
from lab.upstream import mirror


class Lab:
    """Stands in for what runs: groups of nodes, the mirror, the network, images."""

    def __init__(self, *groups: str) -> None:
        self.groups = list(groups)
        self.mirror = True
        self.network = True

    def down(self, group: str) -> list[str]:
        self.groups = [name for name in self.groups if name != group]
        return [f"evenkeel-{group}-debian12-1"]

    def down_mirror(self) -> None:
        self.mirror = False

    def remove_network(self) -> None:
        self.network = False

    def containers(self) -> list[Container]:
        return [Container(f"evenkeel-{group}-debian12-1", group, True, "") for group in self.groups]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    running = Lab("one", "two")
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "state" / "locks")
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")
    monkeypatch.setattr(nodes, "groups", lambda: list(running.groups))
    monkeypatch.setattr(nodes, "down", running.down)
    monkeypatch.setattr(mirror, "down", running.down_mirror)
    monkeypatch.setattr(podman, "remove_network", running.remove_network)
    monkeypatch.setattr(podman, "containers", running.containers)
    monkeypatch.setattr(podman, "images", list)
    return running


def down(group: str = "", *, everything: bool = False) -> None:
    commands.down(Namespace(group=group, all=everything))


def test_the_mirror_stays_as_long_as_a_group_does(lab: Lab) -> None:
    down("one")
    assert (lab.groups, lab.mirror, lab.network) == (["two"], True, True)
    down("two")
    assert (lab.groups, lab.mirror, lab.network) == ([], False, False)


def test_the_mirror_stays_for_nodes_that_are_being_started(lab: Lab) -> None:
    with locks.held("lab", shared=True):
        down("one")
        down("two")
    assert (lab.groups, lab.mirror, lab.network) == ([], True, True)


def test_all_goes_at_once(lab: Lab) -> None:
    down(everything=True)
    assert (lab.groups, lab.mirror, lab.network) == ([], False, False)


def test_what_could_not_all_go_is_said(lab: Lab) -> None:
    with locks.held("lab", shared=True), pytest.raises(LabError, match="starting nodes"):
        down(everything=True)
    assert lab.mirror


def test_caches_in_use_are_not_deleted(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    with pytest.raises(LabError, match="evenkeel-one-debian12-1"):
        commands.clean(Namespace())
    assert (tmp_path / "www").exists()


def test_clean_leaves_keys_and_locks(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab.groups.clear()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(b"x" * 60_000_000)
    (tmp_path / "state" / "ssh").mkdir(parents=True)
    commands.clean(Namespace())
    assert [place.name for place in tmp_path.iterdir()] == ["state"]
    assert "freed 0.1 GB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("chosen", "environment", "expected"),
    [
        (None, {}, list(nodes.RELEASES)),
        (None, {commands.RELEASES: "debian12 rocky9"}, ["debian12", "rocky9"]),
        (["debian13"], {commands.RELEASES: "debian12 rocky9"}, ["debian13"]),
        (None, {commands.RELEASES: ""}, list(nodes.RELEASES)),
    ],
)
def test_releases_to_start(chosen: list[str] | None, environment: dict[str, str], expected: list[str]) -> None:
    assert list(commands.wanted_releases(chosen, environment)) == expected
