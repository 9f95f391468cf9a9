# SPDX-License-Identifier: GPL-3.0-or-later
"""The module jupyter_status on a node whose servers, accounts and systemd are fakes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit


@dataclass
class Node:
    """Servers of users.

    Parameters
    ----------
    running
        Users whose servers run.
    problems
        What is wrong with servers, and whether their kernel was asked, by user.
    differing
        Variables of a user's kernel that are not as ``conda run`` gives them.
    broken
        What the reference server and the reference kernel fail with.
    asked
        Users whose servers were asked, with the patience.
    """

    folder: Path
    running: set[str] = field(default_factory=set)
    problems: dict[str, tuple[str, bool]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    differing: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)
    kernels: list[list[str]] = field(default_factory=list)
    done: list[list[str]] = field(default_factory=list)

    def server(self, user: str, probe: str = "light", **more: Any) -> dict[str, Any]:
        (self.folder / user).mkdir(exist_ok=True)
        (self.folder / user / "settings.json").write_text(json.dumps({"of": user}))
        token = str(self.folder / user / "token")
        unit = f"jupyter@{user}.service"
        return {
            "user": user,
            "unit": unit,
            "probe": probe,
            "on_demand": True,
            "token_file": token,
            "moves": False,
            **more,
        }

    def read(self, *servers: dict[str, Any], check_mode: bool = False, **params: Any) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in jupyter_status.ARGUMENT_SPEC.items()}
        given = {"servers": list(servers), "kernels": ["ai-dev"], "environment": "/e"}
        given["kernels_directory"] = str(self.folder / "kernels")
        return jupyter_status.read({**defaults, **given, **params}, check_mode)

    def units(self, names: Sequence[str]) -> dict[str, Unit]:
        users = {name: name.partition("@")[2].removesuffix(".service") for name in names}
        return {name: Unit(name, running=user in self.running) for name, user in users.items()}

    def examine(self, server: dict[str, Any], kernels: Sequence[str], timeout: float) -> dict[str, Any]:
        self.asked.append((server["user"], timeout))
        self.kernels.append(list(kernels))
        problem, kernel = self.problems.get(server["user"], ("", server["probe"] == "full"))
        differing = self.differing.get(server["user"], [])
        return {"problem": problem, "remedy": "Look", "kernel": kernel, "differing": differing}

    def run(self, argv: list[str]) -> Done:
        self.done.append(argv)
        return Done(0, "", "")


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    found = Node(tmp_path)
    (tmp_path / "kernels" / "ai-dev").mkdir(parents=True)
    (tmp_path / "kernels" / "ai-dev" / "kernel.json").touch()
    monkeypatch.setattr(jupyter_status.units, "read", found.units)
    monkeypatch.setattr(jupyter_status.accounts, "account", lambda name: SimpleNamespace(pw_name=name))
    monkeypatch.setattr(jupyter_status.as_user, "call_each", lambda jobs, **_: [job() for _, job in jobs])
    monkeypatch.setattr(jupyter_status.jupyter_status, "examine", found.examine)
    monkeypatch.setattr(jupyter_status.command, "run", found.run)
    monkeypatch.setattr(jupyter_status, "journal", lambda unit: f"journal of {unit}")
    for what in ("server", "kernel"):
        monkeypatch.setattr(
            jupyter_status.jupyter_reference,
            f"failure_of_{what}",
            lambda *_, what=what: found.broken.get(what),
        )
    return found


def test_servers_that_sleep_are_left_or_sleep_again(node: Node) -> None:
    node.running = {"ana"}
    servers = [node.server("ana"), node.server("bo", "full"), node.server("cy", "asleep")]
    servers.append(node.server("always", "full", on_demand=False))
    assert node.read(*servers)["ready"]
    assert node.asked == [("ana", 60), ("bo", 60), ("always", 60)]
    assert node.done == [["systemctl", "stop", "jupyter@bo.service"]]


def test_check_mode_wakes_nothing_and_asks_what_stays_as_it_is(node: Node) -> None:
    node.running = {"ana", "restarted", "cy", "moved", "late"}
    servers = [node.server("ana"), node.server("bo", "full"), node.server("restarted", "full")]
    servers.append(node.server("cy", "waiting"))
    servers += [node.server("moved", moves=True), node.server("late", "waiting", moves=True)]
    result = node.read(*servers, check_mode=True)
    assert (node.asked, node.done) == ([("ana", 60), ("cy", 60)], [])
    assert result == {"changed": False, "ready": True, "problems": [], "user_problems": {}, "warnings": []}


def test_a_kernel_with_other_variables_is_warned_of_and_is_no_problem(node: Node) -> None:
    node.differing = {"ana": ["CUDA_HOME", "PROJ_DATA"]}
    result = node.read(node.server("ana", "full"), node.server("bo", "full"))
    (warning,) = result.pop("warnings")
    assert result == {"changed": False, "ready": True, "problems": [], "user_problems": {}}
    assert "of ana: the kernel ai-dev has other variables than `conda run` gives: CUDA_HOME, PROJ_DATA. See" in warning


def test_a_server_with_a_problem_or_whose_kernel_was_not_asked_says_nothing_of_variables(node: Node) -> None:
    node.differing = {"ana": ["CUDA_HOME"], "bo": ["CUDA_HOME"]}
    node.problems = {"ana": ("runs no code", True)}
    result = node.read(node.server("ana", "full"), node.server("bo", "light"))
    assert [warning for warning in result["warnings"] if "conda run" in warning] == []


def test_a_run_asks_what_has_moved(node: Node) -> None:
    node.running = {"ana"}
    node.read(node.server("ana", moves=True))
    assert node.asked == [("ana", 60)]


def test_in_check_mode_kernels_that_are_yet_to_be_registered_are_not_asked_for(node: Node) -> None:
    node.running = {"ana"}
    for check_mode in (True, False):
        node.read(node.server("ana"), check_mode=check_mode, kernels=["ai-dev", "vision"])
    assert node.kernels == [["ai-dev"], ["ai-dev", "vision"]]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_users_problem_leaves_the_others_alone(node: Node, check_mode: bool) -> None:
    node.running = {"ana"}
    node.problems = {"ana": ("does not answer", False)}
    result = node.read(node.server("ana"), node.server("bo"), check_mode=check_mode)
    assert (result["changed"], result["ready"]) == (False, False)
    assert result["user_problems"] == {"ana": ["The notebook server of ana does not answer. Look."]}
    assert len(result["warnings"]) == 1
    assert node.done == ([] if check_mode else [["systemctl", "stop", "jupyter@bo.service"]])


@pytest.mark.parametrize(
    ("problems", "broken", "own", "why"),
    [
        ({"ana": ("fails", False), "bo": ("fails", True)}, {}, "", "it fails for all users"),
        ({"ana": ("fails", False)}, {"server": "no JupyterLab"}, "", "no JupyterLab"),
        ({"ana": ("runs no code", True)}, {"kernel": "no ipykernel"}, "", "no ipykernel"),
        ({"ana": ("fails", False)}, {}, "ana", "an account of the node's own"),
    ],
)
def test_a_fault_of_the_nodes_fails_and_in_check_mode_is_something_to_do(
    node: Node, problems: dict[str, tuple[str, bool]], broken: dict[str, str], own: str, why: str
) -> None:
    node.problems, node.broken = problems, broken
    with pytest.raises(EvenkeelError, match=why) as caught:
        node.read(node.server("ana", system_account=own == "ana"), node.server("bo"))
    assert "journal of jupyter@ana.service" in caught.value.what
    node.running = {"ana", "bo"}
    result = node.read(node.server("ana", system_account=own == "ana"), node.server("bo"), check_mode=True)
    assert (result["changed"], result["ready"], result["user_problems"]) == (True, False, {})
    assert why in result["warnings"][0]
    assert "The notebook server of ana" in result["warnings"][0]


@pytest.mark.parametrize(
    ("problem", "broken"),
    [(("fails", False), {"kernel": "no ipykernel"}), (("runs no code", True), {"server": "no JupyterLab"})],
)
def test_what_did_not_fail_is_not_asked_of_a_reference(
    node: Node, problem: tuple[str, bool], broken: dict[str, str]
) -> None:
    node.problems, node.broken = {"ana": problem}, broken
    assert list(node.read(node.server("ana"), node.server("bo"))["user_problems"]) == ["ana"]
