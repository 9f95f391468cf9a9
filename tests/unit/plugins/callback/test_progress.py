# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own processes on a real terminal, since they are what the drawing depends on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.callback import progress
from ansible_collections.evenkeel.gpu.plugins.callback.progress import CallbackModule
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import Message

from tests.unit.plugins.callback.terminal import Run

ROOT = Path(__file__).parents[4]
#: Ansible's own, which is there anyway.
NO_OTHER = "ansible.builtin.default"
#: Sends a progress as the module conda_environment's action does, and waits until a file is there.
ACTION = """
import os, time
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import CHANNEL, Message

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        host = task_vars["inventory_hostname"]
        for packages in self._task.args.get("packages", []):
            progress = {"step": "link", "packages": packages, "of": 107, "bytes": 0, "of_bytes": 0}
            CHANNEL.send(Message(host, "ai-dev", progress))
        if "say" in self._task.args:
            Display().display(self._task.args["say"])
            Display().warning(self._task.args["say"])
        while not os.path.exists(self._task.args["until"]):
            time.sleep(0.01)
        return {"changed": True}
"""


class Project:
    """A playbook and its inventory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "action_plugins").mkdir()
        (folder / "action_plugins" / "work.py").write_text(ACTION)
        (folder / "library").mkdir()
        (folder / "library" / "work.py").write_text("")
        self.gates = [str(folder / f"gate-{number}") for number in range(2)]
        self._runs: list[Run] = []

    def open(self, number: int) -> None:
        """Let the tasks that wait for it end."""
        Path(self.gates[number]).touch()

    def command(self, hosts: Sequence[str], tasks: Sequence[Mapping[str, Any]], *options: str) -> list[str]:
        play = {"name": "Work", "hosts": "all", "gather_facts": False, "tasks": tasks}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        inventory = {"all": {"hosts": {host: {"ansible_connection": "local"} for host in hosts}}}
        (self.folder / "hosts.json").write_text(json.dumps(inventory))
        return [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.yml", *options]

    def variables(self, **variables: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        return {
            **inherited,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "evenkeel.gpu.progress",
            "ANSIBLE_FORKS": "50",
            "ANSIBLE_NOCOLOR": "1",
            "EVENKEEL_PROGRESS_AFTER": "0",
            "TERM": "xterm",
            **variables,
        }

    def start(self, argv: Sequence[str], columns: int = 80, **variables: str) -> Run:
        self._runs.append(Run(argv, self.folder, self.variables(**variables), columns))
        return self._runs[-1]

    def kill(self) -> None:
        for run in self._runs:
            os.close(run.terminal)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    found = Project(tmp_path)
    yield found
    found.kill()


def test_lines_change_in_place_below_all_other_output_and_leave_nothing(project: Project) -> None:
    first, second = project.gates
    tasks = [
        {"name": "Build", "work": {"packages": [1], "until": first, "say": "something else"}},
        {"name": "Ask", "ansible.builtin.pause": {"prompt": "Go on?"}, "register": "asked", "no_log": True},
        {"name": "Show", "ansible.builtin.debug": {"var": "asked.user_input"}, "run_once": True},
        {"name": "Build more", "work": {"packages": [60, 61], "until": second}},
    ]
    run = project.start(project.command(["gpu1", "gpu2"], tasks, "-v"))
    seen = run.until(lambda lines: "ai-dev: linked 1 of 107" in lines[-1] and "something else" in lines[-3])
    assert [line.split()[0] for line in seen[-2:]] == ["gpu1", "gpu2"]
    project.open(0)
    assert run.answer("Go on?", "yes")[-2].startswith("Go on?")
    seen = run.until(lambda lines: "linked 61 of 107" in lines[-1])
    assert "gpu1" in seen[-2]
    assert "linked 60" not in "\n".join(seen)
    run.resize(24)
    run.columns = 24
    run.until(lambda lines: lines[-1].endswith("ai-dev: li~"))
    run.resize(80)
    run.columns = 80
    run.until(lambda lines: "linked 61 of 107" in lines[-1])
    project.open(1)
    assert run.end() == 0
    assert not any("of 107" in line for line in run.screen())
    assert '"asked.user_input": "yes"' in "\n".join(run.screen())

    plain = project.start(project.command(["gpu1", "gpu2"], tasks, "-v"), ANSIBLE_CALLBACKS_ENABLED=NO_OTHER)
    plain.answer("Go on?", "yes")
    assert plain.end() == 0
    assert sorted(run.screen()) == sorted(plain.screen())


def test_more_nodes_than_lines_are_summed_up_and_an_interrupt_leaves_a_whole_line(project: Project) -> None:
    hosts = [f"gpu{number:02}" for number in range(1, 41)]
    tasks = [{"name": "Build", "work": {"packages": [5], "until": project.gates[0]}}]
    run = project.start(project.command(hosts, tasks))
    seen = run.until(lambda lines: "29 ai-dev" in lines[-1])
    assert [line.split()[0] for line in seen[-12:-1]] == hosts[:11]
    assert seen[-1].startswith("29 more nodes, 0:")
    os.kill(run.pid, signal.SIGINT)
    run.end()
    seen = run.screen()
    assert "User interrupted execution" in "\n".join(seen)
    assert not any("ai-dev" in line for line in seen)


@pytest.mark.parametrize("output", ["dumb terminal", "pipe"])
def test_lines_are_written_now_and_then_where_they_can_not_change(project: Project, output: str) -> None:
    tasks = [{"name": "Build", "work": {"packages": [5], "until": project.gates[0]}}]
    argv = project.command(["gpu1", "gpu2"], tasks)
    variables = {"EVENKEEL_PROGRESS_EVERY": "0.1", "TERM": "dumb" if output == "dumb terminal" else "xterm"}
    if output == "pipe":
        argv = ["sh", "-c", '"$@" | cat', "sh", *argv]
    run = project.start(argv, **variables)
    run.until(lambda lines: sum("gpu2  0:0" in line and "ai-dev: linked 5 of 107" in line for line in lines) > 1)
    project.open(0)
    assert run.end() == 0
    assert "\x1b" not in run.output


def test_a_worker_knows_that_nobody_draws(project: Project) -> None:
    action = ACTION.replace('return {"changed": True}', 'return {"open": CHANNEL.is_open}')
    (project.folder / "action_plugins" / "work.py").write_text(action)
    project.open(0)
    argv = project.command(["gpu1"], [{"name": "Build", "work": {"until": project.gates[0]}}], "-v")
    done = subprocess.run(
        argv,
        cwd=project.folder,
        env=project.variables(ANSIBLE_CALLBACKS_ENABLED=NO_OTHER),
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert '"open": false' in done.stdout


@pytest.mark.parametrize("end", ["ok", "skipped", "failed", "unreachable"])
def test_however_a_task_ends_its_node_is_shown_no_longer(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(CallbackModule, "_start", lambda _self: None)
    callback = CallbackModule()
    host = SimpleNamespace(get_name=lambda: "gpu1")
    callback.v2_runner_on_start(host, SimpleNamespace(name="", action="ansible.builtin.copy"))
    assert [row.work for row in callback._running.rows(time.monotonic(), 0)] == ["ansible.builtin.copy"]
    getattr(callback, f"v2_runner_on_{end}")(SimpleNamespace(host=host))
    assert callback._running.rows(time.monotonic(), 0) == []


@pytest.mark.parametrize("end", ["ok", "failed"])
def test_however_an_item_ends_it_is_shown_no_longer(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(CallbackModule, "_start", lambda _self: None)
    callback = CallbackModule()
    host = SimpleNamespace(get_name=lambda: "gpu1")
    callback.v2_runner_on_start(host, SimpleNamespace(name="Build", action="build"))
    progress = {"step": "link", "packages": 5, "of": 107, "bytes": 0, "of_bytes": 0}
    callback._running.progressed(Message("gpu1", "ai-dev", progress), time.monotonic())
    getattr(callback, f"v2_runner_item_on_{end}")(SimpleNamespace(host=host))
    assert [row.work for row in callback._running.rows(time.monotonic(), 0)] == ["Build"]


@pytest.mark.parametrize(
    ("variables", "settings", "arguments", "drawn"),
    [
        ({}, {}, {}, True),
        ({"TERM": "dumb"}, {}, {}, False),
        ({"TERM": ""}, {}, {}, False),
        ({}, {"DEFAULT_STDOUT_CALLBACK": "community.general.dense"}, {}, False),
        ({}, {"DEFAULT_STDOUT_CALLBACK": "awx_display"}, {}, False),
        ({}, {"ENABLE_TASK_DEBUGGER": True}, {}, False),
        ({}, {}, {"step": True}, False),
    ],
)
def test_where_lines_can_change(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    settings: dict[str, Any],
    arguments: dict[str, Any],
    drawn: bool,
) -> None:
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    for name, value in settings.items():
        monkeypatch.setattr(progress.constants, name, value)
    monkeypatch.setattr(progress.context, "CLIARGS", arguments)
    monkeypatch.setattr(progress.sys, "stdout", SimpleNamespace(isatty=lambda: True))
    assert progress._can_draw() == drawn
