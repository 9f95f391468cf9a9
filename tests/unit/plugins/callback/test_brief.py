# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees of a play, and with -v."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
ACTION = """
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return dict(self._task.args)
"""
TASKS = [
    {"name": "as it should be", "say": {"changed": False}},
    {"name": "skipped", "say": {"changed": True}, "when": False},
    {"name": "changes", "say": {"changed": True}},
    {"name": "warns", "say": {"changed": False, "warnings": ["mind the gap"]}},
    {"name": "a message", "ansible.builtin.debug": {"msg": "look here"}},
    {"name": "items", "say": {"changed": "{{ item == 'b' }}"}, "loop": ["a", "b"]},
    {"name": "includes", "ansible.builtin.include_tasks": "more.yml"},
    {"name": "fails", "say": {"failed": True, "msg": "no"}, "ignore_errors": True},
]
BRIEF = ["changes", "warns", "a message", "items", "in the include", "fails"]


def tasks_shown(folder: Path, *options: str) -> tuple[list[str], str]:
    """Return the names of the tasks that are shown, and all the output."""
    (folder / "action_plugins").mkdir(exist_ok=True)
    (folder / "action_plugins" / "say.py").write_text(ACTION)
    (folder / "library").mkdir(exist_ok=True)
    (folder / "library" / "say.py").write_text("")
    (folder / "more.yml").write_text(json.dumps([{"name": "in the include", "say": {"changed": True}}]))
    (folder / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": TASKS}]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "play.yml", *options],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "evenkeel.gpu.brief",
        },
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return re.findall(r"^TASK \[(.*?)\]", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_what_says_nothing_is_left_out(tmp_path: Path) -> None:
    names, output = tasks_shown(tmp_path)
    assert names == BRIEF
    assert all(text in output for text in ("mind the gap", "look here", "(item=b)", "changed: [localhost]"))
    assert not any(text in output for text in ("(item=a)", "skipping: ", "included: "))


@pytest.mark.parametrize("option", ["-v", "-vv"])
def test_more_on_request_is_all(tmp_path: Path, option: str) -> None:
    names, output = tasks_shown(tmp_path, option)
    assert set(names) == {*BRIEF, "as it should be", "skipped", "includes"}
    assert all(text in output for text in ("(item=a)", "skipping: ", "included: "))
