# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks that ask go on at the word yes alone, and never where nobody can answer."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CONFIRM = ROOT / "playbooks" / "tasks" / "confirm.yml"
PROMPT = "Type yes to continue"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A playbook that asks, and then makes a file."""
    tasks = [
        {"ansible.builtin.import_tasks": str(CONFIRM), "vars": {"confirm_prompt": "Go on?", "confirm_switch": "go_on"}},
        {"name": "Act", "ansible.builtin.file": {"path": str(tmp_path / "acted"), "state": "touch", "mode": "0644"}},
    ]
    play = {"hosts": "localhost,other", "connection": "local", "gather_facts": False, "tasks": tasks}
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(json.dumps([{**play, "vars": {"ansible_python_interpreter": sys.executable}}]))
    return [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,other", str(playbook)]


def at_a_terminal(command: list[str], answer: str) -> tuple[int, str]:
    """Run a command at a terminal of its own, and answer its question; return status and output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    output, deadline = b"", time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    output += os.read(ours, 1 << 16)
                except OSError:  # nobody has the terminal any more
                    break
            elif PROMPT.encode() in output and not termios.tcgetattr(ours)[3] & termios.ICANON:
                # Ansible throws away what was typed before it listens, so the answer is given as long as it listens.
                os.write(ours, f"{answer}\r".encode())
        return process.wait(60), output.decode(errors="replace")
    finally:
        process.kill()
        os.close(ours)


@pytest.mark.parametrize(
    ("answer", "acts"),
    [("", False), ("no", False), ("y", False), ("yes", True), (" yes ", True), ("Yes", False)],
    ids=repr,
)
def test_only_yes_goes_on(command: list[str], tmp_path: Path, answer: str, acts: bool) -> None:
    status, output = at_a_terminal(command, answer)
    assert (status == 0) == acts, output
    assert (tmp_path / "acted").exists() == acts
    assert ("Nothing was changed" in output) != acts


@pytest.mark.parametrize(
    ("stdin", "options"),
    [("", []), ("yes\n", []), ("", ["--extra-vars=go_on=nope"]), ("", ["--extra-vars=go_on="])],
    ids=["nothing", "a pipe", "a typing error", "an empty variable"],
)
def test_without_a_terminal_it_stops_and_names_the_variable(
    command: list[str], tmp_path: Path, stdin: str, options: list[str]
) -> None:
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True, cwd=ROOT, input=stdin)
    assert done.returncode != 0
    assert "-e go_on=false" in done.stdout
    assert not (tmp_path / "acted").exists()


@pytest.mark.parametrize(("option", "acts"), [("--extra-vars=go_on=false", True), ("--check", False)])
def test_what_is_confirmed_already_or_only_rehearsed_is_not_asked(
    command: list[str], tmp_path: Path, option: str, acts: bool
) -> None:
    done = subprocess.run([*command, option], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "acted").exists() == acts


def test_whoever_asks_asks_here() -> None:
    files = [path for place in ("playbooks", "roles") for path in (ROOT / place).rglob("*.yml") if path != CONFIRM]
    assert [str(path) for path in files if ".pause:" in path.read_text() or "vars_prompt" in path.read_text()] == []


def test_a_rollback_asks_before_it_acts() -> None:
    *_required, play = yaml.safe_load((ROOT / "playbooks" / "rollback.yml").read_text())
    *before, ask, act, _left_to_do = play["tasks"]
    assert ask["ansible.builtin.import_tasks"] == "tasks/confirm.yml"
    assert (act["name"], act["when"], "check_mode" in act) == (
        "Go back",
        "not ansible_check_mode and __rollback_shown is changed",
        False,
    )
    assert [
        task["name"] for task in before if "evenkeel.gpu.conda_environment" in task and not task["check_mode"]
    ] == []
