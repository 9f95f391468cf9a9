# SPDX-License-Identifier: GPL-3.0-or-later
"""The module jupyter_kernelspecs on folders of environments and kernels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@dataclass
class Node:
    """A node's environments, and the kernels that are registered."""

    folder: Path

    @property
    def kernels(self) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob("kernels/*/kernel.json"))

    def build(self, name: str, package: str = "ipykernel_launcher.py") -> None:
        prefix = self.folder / "envs" / name
        for file in ("bin/python", "bin/jupyter-lab", f"lib/python3.12/site-packages/{package}"):
            path = prefix / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o755)

    def converge(self, *kernels: dict[str, Any], check_mode: bool = False, **params: Any) -> dict[str, Any]:
        item = {name: option.get("default") for name, option in jupyter_kernelspecs._KERNEL.items()}
        defaults = {name: option.get("default") for name, option in jupyter_kernelspecs.ARGUMENT_SPEC.items()}
        given = {
            "directory": str(self.folder / "kernels"),
            "environments": str(self.folder / "envs"),
            "kernels": [{**item, **kernel} for kernel in kernels],
        }
        return jupyter_kernelspecs.converge({**defaults, **given, **params}, check_mode)

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in jupyter_kernelspecs.ARGUMENT_SPEC.items()}
        return jupyter_kernelspecs.converge(
            {**defaults, "state": "absent", "directory": str(self.folder / "kernels")}, check_mode
        )


@pytest.fixture
def node(tmp_path: Path) -> Node:
    found = Node(tmp_path)
    for name in ("ai-dev", "vision", "jupyter"):
        found.build(name)
    return found


AI, VISION = {"name": "ai-dev"}, {"name": "vision", "display_name": "Vision"}


def test_kernels_are_registered_changed_and_removed(node: Node) -> None:
    result = node.converge(AI, VISION, server="jupyter")
    assert (result["changed"], result["written"], result["removed"]) == (True, ["ai-dev", "vision"], [])
    assert node.kernels == ["ai-dev", "vision"]
    assert [Path(diff["after_header"]).parent.name for diff in result["diff"]] == ["kernels", "ai-dev", "vision"]
    assert node.converge(AI, VISION, server="jupyter")["changed"] is False
    result = node.converge({**AI, "display_name": "AI"})
    assert (result["written"], result["removed"], node.kernels) == (["ai-dev"], ["vision"], ["ai-dev"])
    assert json.loads((node.folder / "kernels/ai-dev/kernel.json").read_text())["display_name"] == "AI"


def test_a_launcher_that_somebody_changed_is_restored(node: Node) -> None:
    node.converge(AI)
    launcher = node.folder / "kernels" / "evenkeel-activated.py"
    text = launcher.read_text()
    assert text.startswith("# SPDX")
    launcher.write_text("")
    result = node.converge(AI)
    assert (result["changed"], result["written"], launcher.read_text()) == (True, [], text)


def test_check_mode_reports_the_same_and_does_nothing(node: Node) -> None:
    rehearsed = node.converge(AI, check_mode=True)
    assert (node.kernels, made.read("jupyter_kernelspecs")) == ([], [])
    assert rehearsed == node.converge(AI)


def test_kernels_are_recorded_as_long_as_they_are_there(node: Node) -> None:
    node.converge(AI, VISION)
    assert [thing.name for thing in made.read("jupyter_kernelspecs")] == [
        str(node.folder / "kernels" / name / "kernel.json") for name in ("ai-dev", "vision")
    ]
    node.converge()
    assert made.read("jupyter_kernelspecs") == []


@pytest.mark.parametrize("check_mode", [True, False])
def test_an_environment_that_the_same_run_builds_is_missing_in_check_mode_alone(node: Node, check_mode: bool) -> None:
    planned = {"planned": ["new", "server"], "server": "server"}
    if check_mode:
        assert node.converge({"name": "new"}, check_mode=True, **planned)["written"] == ["new"]
    else:
        with pytest.raises(EvenkeelError, match=r"server: .*kernel new: there is no environment"):
            node.converge({"name": "new"}, **planned)


@pytest.mark.parametrize(
    ("kernels", "params", "message"),
    [
        ([{"name": "a b"}], {}, "does not accept 'a b'"),
        ([AI, AI], {}, "Two kernels are named ai-dev"),
        ([{"name": "none"}], {}, "kernel none: there is no environment"),
        ([AI], {"server": "none"}, "server: there is no environment"),
        ([{"name": "x", "environment": "without"}], {}, "has no ipykernel"),
        ([{**AI, "memory_max": "much"}], {}, "'much', which is not a size"),
    ],
)
def test_nothing_is_done_where_anything_is_wrong(
    node: Node, kernels: list[dict[str, Any]], params: dict[str, Any], message: str
) -> None:
    node.build("without", "something_else.py")
    with pytest.raises(EvenkeelError, match=message):
        node.converge(*kernels, **params)
    assert node.kernels == []


def test_all_kernels_and_what_starts_them_go_and_those_of_others_stay(node: Node) -> None:
    node.converge(AI, VISION)
    theirs = node.folder / "kernels" / "theirs" / "kernel.json"
    theirs.parent.mkdir()
    theirs.write_text("{}")
    assert node.remove(check_mode=True)["changed"]
    assert node.kernels == ["ai-dev", "theirs", "vision"]
    result = node.remove()
    assert result["removed"] == ["ai-dev", "vision"]
    assert [path.name for path in (node.folder / "kernels").iterdir()] == ["theirs"]
    assert node.remove()["changed"] is False
    theirs.unlink()
    theirs.parent.rmdir()
    node.remove()
    assert not (node.folder / "kernels").exists()
    assert node.remove()["changed"] is False


def test_a_node_without_kernels_stays_so(node: Node) -> None:
    assert node.remove()["changed"] is False
