# SPDX-License-Identifier: GPL-3.0-or-later
"""The review of a site's environments, by the options of the task."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.action import review_report

from tests.unit.plugins.plugin_utils._review.test_report import VALIDATOR
from tests.unit.plugins.tagged import tagged

SAMPLE = Path(__file__).parents[1] / "plugin_utils" / "_drift" / "sample_report.json"
Result = dict[str, Any]


class Control:
    """A control node with an environment that has no lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = folder / "environment.yml"
        self.environment.write_text("channels: [https://channel.example/main]\ndependencies: [python]\n")
        self.task_vars: Result = {}

    def run(self, **options: Any) -> Result:
        given = {"environments": [{"environment": str(self.environment)}], "begun": 0.0, "site": str(self.folder)}
        plugin = review_report.ActionModule(
            task=SimpleNamespace(
                args=tagged({**given, "directory": str(self.folder / "review"), **options}),
                async_val=0,
                check_mode=False,
                diff=False,
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere")),
            play_context=None,
            loader=DataLoader(),
            templar=None,
            shared_loader_obj=None,
        )
        result: Result = plugin.run(task_vars=self.task_vars)
        return result

    def report(self) -> Result:
        found: Result = json.loads((self.folder / "review" / "report.json").read_text())
        VALIDATOR.validate(found)
        return found

    def in_use(self) -> dict[tuple[str, str], list[str]]:
        return {(one["product"], one["version"]): one["places"] for one in self.report()["support"]}


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.setattr(review_report, "show", lambda _text: None)
    return Control(tmp_path)


def test_without_nodes_and_locks_nothing_is_known(control: Control) -> None:
    result = control.run()
    assert not result.get("failed")
    assert not result["changed"]
    found = control.report()
    assert (found["support"], found["advisories"], found["branch"]) == ([], None, None)
    assert "There is no drift report" in found["nodes"]["note"]
    assert [one["state"] for one in found["locks"]] == ["unknown"]


def test_nodes_are_known_by_a_drift_report(control: Control) -> None:
    control.run(nodes=str(SAMPLE))
    assert control.report()["nodes"]["hosts"] == 12
    assert control.in_use()["NVIDIA driver", "570.195.03"] == ["node gpu5"]


def test_what_the_inventory_declares_is_in_use(control: Control) -> None:
    nodes: dict[str, Result] = {
        "n1": {},
        "n2": {"nvidia_driver_version": "550.54.14", "miniconda_version": "py39_25.9.1-3"},
        "n3": {"nvidia_driver_source": "distribution", "miniconda_distribution": "miniforge"},
    }
    control.task_vars = {"groups": {"gpu_nodes": list(nodes)}, "hostvars": nodes}
    control.run(targets=["debian-13"], driver_branch="580", conda_versions={"miniforge": "26.3.2-3"})
    in_use = control.in_use()
    assert in_use["NVIDIA driver", "580"] == ["declared for n1"]
    assert in_use["NVIDIA driver", "550.54.14"] == ["declared for n2"]
    assert in_use["Miniconda", "py39_25.9.1-3"] == ["declared for n2"]
    assert in_use["Debian", "13"] == ["lock_targets"]
    assert in_use["Miniforge", "26.3.2-3"] == ["declared for n3"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nodes": "/nowhere.json"}, "/nowhere.json: No such file"),
        ({"mode": "rw"}, "review_mode is 'rw'"),
        ({"update": True, "branch": "a b"}, "review_branch is 'a b'"),
        ({"update": True}, "can't have updated locks: "),
        ({"fail_on": ["vulnerable"]}, "review_advisories is not set"),
        ({"fail_on": ["vulnerable"], "advisories": [str(SAMPLE)]}, "no advisory counts, so"),
        ({"directory": str(SAMPLE / "review")}, "sample_report.json is no folder"),
        ({"fail_on": ["outdated"]}, "may be outdated, which is unknown"),
        ({"targets": ["slackware-15"], "fail_on": ["eol"]}, "slackware 15 is of unknown support"),
    ],
)
def test_what_is_wrong_is_named(control: Control, options: Result, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ana")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ana@site.example")
    if "branch" in options:
        git = ["git", "-C", str(control.folder)]
        subprocess.run([*git, "init", "--quiet"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=First"], check=True)
    result = control.run(**options)
    assert result["failed"]
    assert words in result["msg"]
