# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module makes on a node, in a folder that stands in for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import pull_agent, versions
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import units as pull_units
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager


class Node:
    """A node with systemd, whose commands are noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: list[str] = []
        self.timer = Unit(pull_units.TIMER)
        self.options: dict[str, Any] = {
            "root": str(folder / "opt/pull"),
            "python": sys.executable,
            "host": "gpu1",
            "remote": "https://git.example/site.git",
            "inventory": "inventories/mine",
            "allowed_signers": "ana ssh-ed25519 AAAA",
            "packages": {"uv": "1"},
            "brought": "/wheels",
        }

    def run(self, *, check: bool = False, **changed: Any) -> dict[str, Any]:
        """Run the module."""
        defaults = {name: option.get("default") for name, option in pull_agent.ARGUMENT_SPEC.items()}
        return pull_agent.converge({**defaults, **self.options, **changed}, check)

    def require(self, argv: list[str], remedy: str, **options: Any) -> str:
        self.commands.append(" ".join(argv))
        if "enable" in argv:
            self.timer = Unit(pull_units.TIMER, running=True, enabled=True)
        return "3.11\n"

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node(tmp_path)
    monkeypatch.setattr(pull_agent, "PLACES", Places(str(tmp_path / "etc/pull"), str(tmp_path / "var/pull")))
    monkeypatch.setattr(pull_units, "FOLDER", str(tmp_path / "etc/systemd"))
    monkeypatch.setattr(pull_units, "COMMAND", str(tmp_path / "sbin/evenkeel-pull"))
    monkeypatch.setattr(pull_agent.systemd, "read", lambda names: {names[0]: node.timer})
    monkeypatch.setattr(pull_agent.command, "require", node.require)
    monkeypatch.setattr(pull_agent.shutil, "which", lambda name, path: f"/usr/bin/{name}")
    monkeypatch.setattr(versions, "_build_venv", lambda version, brought: make_venv(version))
    monkeypatch.setattr(versions, "require_runs", lambda version: None)
    return node


def make_venv(version: versions.Version) -> None:
    Path(version.venv, "bin").mkdir(parents=True)
    Path(version.venv, versions.MANIFEST).write_text("{}")


def test_a_rehearsal_changes_nothing_and_a_second_run_neither(node: Node) -> None:
    rehearsed = node.run(check=True)
    assert rehearsed["changed"]
    assert node.files == set()
    made = node.run()
    assert made["changed"]
    assert [diff["after_header"] for diff in made["diff"]] == [diff["after_header"] for diff in rehearsed["diff"]]
    assert node.commands == ["systemctl daemon-reload", f"systemctl enable --now {pull_units.TIMER}"]
    before = node.files
    again = node.run()
    assert (again["changed"], again["diff"], again["version"]) == (False, [], made["version"])
    assert node.files == before


def test_the_wheels_are_asked_for_once(node: Node) -> None:
    wanted = node.run(brought=None)
    assert wanted["wanted"]["python"] == "3.11"
    assert node.files == set()
    node.run()
    assert "wanted" not in node.run(brought=None)


def test_secrets_are_roots_alone_hidden_and_kept_where_none_is_given(node: Node) -> None:
    made = node.run(git_token="a-long-token", variables='{"a": 1}')
    token = node.folder / "etc/pull/git_token"
    assert (token.read_text(), token.stat().st_mode & 0o777) == ("a-long-token\n", 0o600)
    assert "a-long-token" not in str(made["diff"])
    assert not node.run()["changed"]
    assert not node.run(allowed_signers="")["changed"]
    assert token.exists()
    changed = node.run(git_token="another-token")
    assert changed["changed"]
    assert "another-token" not in str(changed["diff"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"inventory": ""}, "pull_agent_inventory"),
        ({"allowed_signers": " "}, "pull_agent_allowed_signers is empty"),
        ({"remote": "git@git.example:site.git"}, "pull_agent_known_hosts is empty"),
        ({"interval": 0}, "pull_agent_interval is 0"),
        ({"splay": -1}, "pull_agent_splay is -1"),
        ({"remote": "x", "inventory": ""}, "pull_agent_remote.*pull_agent_inventory"),
    ],
)
def test_what_can_not_work_changes_nothing(node: Node, changed: dict[str, Any], words: str) -> None:
    for check in (True, False):
        with pytest.raises(EvenkeelError, match=words):
            node.run(check=check, **changed)
    assert node.files == set()


def test_another_interval_restarts_the_timer_alone(node: Node) -> None:
    node.run()
    node.commands.clear()
    changed = {diff["after_header"] for diff in node.run(interval=60)["diff"]}
    assert changed == {str(node.folder / "etc/systemd" / pull_units.TIMER), pull_agent.PLACES.settings}
    assert node.commands == ["systemctl daemon-reload", f"systemctl restart {pull_units.TIMER}"]


def test_a_version_that_could_not_run_is_not_tried_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    first = node.run()["version"]
    monkeypatch.setattr(pull_agent.program, "archive", lambda entry: b"another")
    second = node.run()["version"]
    assert second != first
    root = Path(node.options["root"])
    (root / "versions" / second / "broken").touch()
    (root / "current").unlink()
    (root / "current").symlink_to(f"versions/{first}")
    again = node.run()
    assert not again["changed"]
    assert f"The version {second} of the pull agent could not run" in again["warnings"][0]
    assert f"stays with {first}" in again["warnings"][0]


def test_a_version_that_does_not_start_is_not_switched_to(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(version: versions.Version) -> None:
        raise EvenkeelError("It does not start", "See why")

    first = node.run()["version"]
    monkeypatch.setattr(pull_agent.program, "archive", lambda entry: b"another")
    monkeypatch.setattr(versions, "require_runs", refuse)
    with pytest.raises(EvenkeelError, match="does not start"):
        node.run()
    assert versions.current(node.options["root"]) == first


def test_off_removes_everything_that_was_made(node: Node) -> None:
    node.run(git_token="a-long-token")
    (node.folder / "var/pull").mkdir(parents=True)
    node.commands.clear()
    before = node.files
    assert node.run(check=True, enabled=False)["changed"]
    assert node.files == before
    assert node.run(enabled=False)["changed"]
    assert node.commands == [f"systemctl disable --now {pull_units.TIMER}", "systemctl daemon-reload"]
    assert not any("pull" in name for name in node.files)
    assert not node.run(enabled=False)["changed"]


def test_off_leaves_a_directory_of_others(node: Node) -> None:
    root = Path(node.options["root"])
    theirs = root.parent / "theirs"
    (theirs / "versions").mkdir(parents=True)
    assert not node.run(enabled=False, root=str(theirs))["changed"]
    assert (theirs / "versions").is_dir()
    node.run(root=str(theirs))
    (theirs / "notes").touch()
    assert node.run(enabled=False, root=str(theirs))["changed"]
    assert [path.name for path in theirs.iterdir()] == ["notes"]


def test_units_say_what_they_are_to() -> None:
    assert "RandomizedDelaySec=15min" in pull_units.timer(30, 15)
    assert "OnUnitInactiveSec=30min" in pull_units.timer(30, 15)
    assert "ExecStart=/usr/bin/python3.11 -I /opt/launch.py\n" in pull_units.service(
        "/usr/bin/python3.11", "/opt/launch.py"
    )


def test_off_removes_git_if_it_was_installed_for_it_and_nothing_else_needs_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.note("pull_agent", [Thing("package", "git"), Thing("package", "rsync")])
    manager = FakeManager({"git": "1", "rsync": "1", "backup": "1"}, takes={"rsync": ["backup"]})
    manager.serve(monkeypatch)
    assert node.run(check=True, enabled=False)["changed"]
    done = node.run(enabled=False)
    assert (done["packages"], done["left"]) == (["git 1 -> removed"], ["the package rsync: backup would go too"])
    assert set(manager.packages) == {"rsync", "backup"}
    assert not node.run(enabled=False)["changed"]
