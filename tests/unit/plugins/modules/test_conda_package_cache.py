# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.modules import conda_package_cache

DAY = 86400

Result = dict[str, Any]


class Node:
    """A node with three unpacked packages, used 100, 10 and 1 days ago; the oldest is in an environment."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.cache = root / "pkgs" / "rattler"
        for name, days in (("needed", 100), ("old", 10), ("young", 1)):
            home = self.cache / f"{name}-1.0-0"
            (home / "info").mkdir(parents=True)
            (home / "info" / "index.json").write_bytes(b"\0" * 1_000_000)
            os.utime(home, (time.time() - days * DAY,) * 2)
        path = root / "generations" / "ai-dev" / "0123456789abcdef"
        path.mkdir(parents=True)
        generations.write(Generation(str(path), (Package("needed", "1.0", "0", "ab" * 32),)), str(path))

    def run(self, **arguments: object) -> Result:
        with (
            patch_module_args({"root": str(self.root), "lock_timeout": 0, "_ansible_diff": True, **arguments}),
            pytest.raises(SystemExit),
        ):
            conda_package_cache.main()
        result: Result = json.loads(self.capsys.readouterr().out)
        return result

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir())


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Node:
    return Node(tmp_path / "evenkeel", capsys)


ALL = ["needed-1.0-0", "old-1.0-0", "young-1.0-0"]


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        ({}, []),
        ({"max_days": 11}, []),
        ({"max_days": 9}, ["rattler/old-1.0-0"]),
        ({"max_megabytes": 2}, []),
        ({"max_megabytes": 1}, ["rattler/old-1.0-0"]),
    ],
)
def test_limits_and_then_nothing(node: Node, arguments: Result, removed: list[str]) -> None:
    checked = node.run(_ansible_check_mode=True, **arguments)
    assert node.names == ALL
    result = node.run(**arguments)
    assert checked == result
    assert (result["changed"], result["removed"]) == (bool(removed), removed)
    assert result["freed_bytes"] == 1_000_000 * len(removed)
    assert result["diff"] == {"prepared": "".join(f"- {name}\n" for name in removed)}
    assert node.names == [name for name in ALL if f"rattler/{name}" not in removed]
    assert not node.run(**arguments)["changed"]


def test_without_a_cache_there_is_nothing_to_do(node: Node) -> None:
    result = node.run(root=str(node.root / "other"), max_days=1)
    assert (result["changed"], result["removed"]) == (False, [])
    assert not (node.root / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": "/opt//evenkeel"}, "root is '/opt//evenkeel', which is not a normalised absolute path"),
        ({"max_days": -1}, "max_days is -1. Give a number"),
        ({"max_megabytes": -1}, "max_megabytes is -1. Give a number"),
    ],
)
def test_bad_input_changes_nothing(node: Node, arguments: Result, message: str) -> None:
    result = node.run(**{"max_days": 5, **arguments})
    assert result["failed"]
    assert message in result["msg"]
    assert node.names == ALL


def test_a_build_at_work_is_waited_for(node: Node) -> None:
    with held(str(node.root / "locks" / "pkgs"), 0):
        result = node.run(max_days=5)
    assert result["failed"]
    assert f"locks/pkgs is still locked by process {os.getpid()}" in result["msg"]
    assert node.names == ALL


@pytest.mark.parametrize("arguments", [{}, {"max_days": 5}], ids=["alone", "with another"])
def test_a_removal_that_was_interrupted_is_finished(node: Node, arguments: Result) -> None:
    doomed = node.cache / ".removed-gone-1.0-0"
    doomed.mkdir()
    checked = node.run(_ansible_check_mode=True, **arguments)
    assert doomed.exists()
    result = node.run(**arguments)
    assert result == checked
    assert result["changed"]
    assert f"- interrupted removal {doomed}\n" in result["diff"]["prepared"]
    assert not doomed.exists()
    assert not node.run(**arguments)["changed"]
