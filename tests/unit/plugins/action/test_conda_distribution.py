# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import conda_distribution as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

OLD = "Miniconda3-py39_25.9.1-3-Linux-x86_64.sh"
FILE = "Miniforge3-26.3.2-3-Linux-x86_64.sh"
URL = f"https://mirror.example/miniforge/{FILE}"
WANTED = {"changed": False, "wanted": True}
DONE = {"changed": True, "prefix": "/opt/miniconda3", "drift": [], "stranded": []}

Result = dict[str, Any]


class Control:
    """A control node whose module answers as given, and whose transfers and warnings are counted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls: list[Result] = []
        self.answers: list[Result] = []
        self.transferred: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.shell = SimpleNamespace(tmpdir=None, join_path=lambda *parts: "/".join(parts))

    def execute_module(self, _: ActionBase, **call: Any) -> Result:
        self.calls.append(call)
        return dict(self.answers[len(self.calls) - 1])

    def make_tmp_path(self) -> None:
        self.shell.tmpdir = "/home/ops/.ansible/tmp/1"

    def run(self, arguments: Result, *answers: Result) -> Result:
        self.answers, self.calls = list(answers), []
        plugin = action.ActionModule(
            task=SimpleNamespace(args=dict(arguments), async_val=0, check_mode=False, diff=False),
            connection=SimpleNamespace(_shell=self.shell),
            play_context=None,
            loader=SimpleNamespace(get_basedir=lambda: "/", path_dwim=lambda path: str(self.directory / path)),
            templar=None,
            shared_loader_obj=None,
        )
        result: Result = plugin.run(task_vars={"inventory_hostname": "node"})
        assert len(self.calls) == len(answers)
        return result


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control(tmp_path)
    (tmp_path / FILE).touch()
    monkeypatch.setattr(action, "warn", control.warnings.append)
    monkeypatch.setattr(ActionBase, "_execute_module", lambda plugin, **call: control.execute_module(plugin, **call))
    monkeypatch.setattr(ActionBase, "_make_tmp_path", lambda _: control.make_tmp_path())
    monkeypatch.setattr(
        ActionBase, "_transfer_file", lambda _, local, remote: control.transferred.append((local, remote))
    )
    monkeypatch.setattr(ActionBase, "_fixup_perms2", lambda _, paths, execute: None)
    return control


# the installer of the control node


def test_a_url_is_the_nodes_own_matter(control: Control) -> None:
    assert control.run({"url": URL}, DONE) == DONE
    assert control.calls == [
        {
            "module_name": "evenkeel.gpu.conda_distribution",
            "module_args": {"url": URL, HANDED: {}},
            "task_vars": {"inventory_hostname": "node"},
            "wrap_async": 0,
        }
    ]
    assert not control.transferred


def test_an_installer_that_is_not_there_fails_before_a_node_is_asked(control: Control) -> None:
    assert control.run({"src": "nowhere.sh"}) == {
        "failed": True,
        "changed": False,
        "msg": f"src {control.directory}/nowhere.sh is not a file on the control node.",
    }


@pytest.mark.parametrize("answer", [DONE, {"failed": True, "msg": "store is ''"}], ids=["has it", "fails"])
def test_a_node_that_does_not_want_it_is_not_brought_it(control: Control, answer: Result) -> None:
    assert control.run({"src": FILE}, answer) == answer
    assert control.calls[0]["module_args"] == {"src": f"{control.directory}/{FILE}", HANDED: {}}
    assert not control.transferred


def test_a_node_that_wants_it_is_brought_it_and_asked_again(control: Control) -> None:
    assert control.run({"src": FILE, "offline": True}, WANTED, DONE) == DONE
    src, brought = f"{control.directory}/{FILE}", f"/home/ops/.ansible/tmp/1/{FILE}"
    assert control.transferred == [(src, brought)]
    arguments = {"src": src, "offline": True}
    assert [call["module_args"] for call in control.calls] == [
        {**arguments, HANDED: handed} for handed in ({}, {"brought": brought})
    ]


def test_a_removal_takes_no_installer(control: Control) -> None:
    for installer in ({"src": "nowhere.sh"}, {"url": f"https://mirror.example/{OLD}"}):
        assert control.run({"state": "absent", "sha256": "0" * 64, **installer}, DONE) == DONE
        assert control.calls[0]["module_args"] == {"state": "absent", "sha256": "0" * 64, HANDED: {}}
    assert control.warnings == []


# warnings


@pytest.mark.parametrize("option", ["url", "src"])
def test_a_python_without_security_support_is_warned_of_once_for_all(control: Control, option: str) -> None:
    (control.directory / OLD).touch()
    value = OLD if option == "src" else f"https://mirror.example/miniconda/{OLD}"
    assert "warnings" not in control.run({option: value}, DONE)
    (warning,) = control.warnings
    assert warning.startswith("Python 3.9 has had no security support since October 2025. ")


@pytest.mark.parametrize("arguments", [{"url": URL}, {"src": FILE}, {"state": "absent"}])
def test_nothing_to_warn_of(control: Control, arguments: Result) -> None:
    assert control.run(arguments, DONE) == DONE
    assert control.warnings == []


@pytest.mark.parametrize(
    ("found", "warning"),
    [
        (
            {"drift": ["+ six 1.17.0 (main)", "- pip 26.0"]},
            "base of /opt/miniconda3 is not what was installed: + six 1.17.0 (main); - pip 26.0. "
            "Set heal_base: true to have it replaced.",
        ),
        (
            {"stranded": ["/store/old/envs/a", "/store/old/envs/b"]},
            "Environments inside distributions that are not in use are no longer found by name, and were left where "
            "they are: /store/old/envs/a, /store/old/envs/b.",
        ),
    ],
    ids=["drift", "stranded"],
)
def test_what_should_not_stay_is_warned_of(control: Control, found: Result, warning: str) -> None:
    assert control.run({"url": URL}, {**DONE, **found})["warnings"] == [warning]
    assert control.run({"url": URL}, {**DONE, **found, "warnings": ["first"]})["warnings"] == ["first", warning]
