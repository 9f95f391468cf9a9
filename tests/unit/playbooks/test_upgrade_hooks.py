# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks that take work off a node and give it back, with stand-ins for the schedulers' commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
REASON = "Reason=evenkeel upgrades the driver [root@now]"

SCONTROL = """#!/bin/sh
case "$1 $3" in
show*) cat "$STATE" ;;
"update state=drain") echo "NodeName=node1 State=IDLE+DRAIN Reason=${4#reason=} [root@now]" >"$STATE" ;;
"update state=resume") echo 'NodeName=node1 State=IDLE' >"$STATE" ;;
*) exit 2 ;;
esac
"""
KUBECTL = f"""#!{sys.executable}
import json, os, sys
state = json.load(open(os.environ["STATE"]))
marks = state["metadata"].setdefault("annotations", {{}})
verb = sys.argv[1]
if verb == "get":
    print(json.dumps(state))
elif verb in ("drain", "uncordon"):
    state["spec"]["unschedulable"] = verb == "drain"
elif verb == "annotate" and sys.argv[-1].endswith("-"):
    del marks[sys.argv[-1][:-1]]
elif verb == "annotate":
    name, _, value = sys.argv[-1].partition("=")
    marks[name] = value
else:
    sys.exit(2)
json.dump(state, open(os.environ["STATE"], "w"))
"""


def run(tmp_path: Path, hook: str, steps: list[str], programs: dict[str, str], state: str) -> str:
    """Run a hook's steps with stand-ins for programs; return the scheduler's state after them."""
    file = tmp_path / "state"
    file.write_text(state)
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    task: dict[str, Any] = {
        "ansible.builtin.include_tasks": str(ROOT / "playbooks" / "hooks" / hook),
        "vars": {"upgrade_step": "{{ item }}"},
        "loop": steps,
    }
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--inventory=node1,", "--connection=local", "play.yml"],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "STATE": str(file)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return file.read_text().strip()


@pytest.mark.parametrize(
    ("before", "steps", "after"),
    [
        ("NodeName=node1 State=IDLE", ["drain"], f"NodeName=node1 State=IDLE+DRAIN {REASON}"),
        ("NodeName=node1 State=IDLE", ["drain", "drain", "undrain"], "NodeName=node1 State=IDLE"),
        (
            "NodeName=node1 State=IDLE+DRAIN Reason=a disk is broken",
            ["drain", "undrain"],
            "NodeName=node1 State=IDLE+DRAIN Reason=a disk is broken",
        ),
    ],
    ids=["drained", "given back after a repeated run", "drained by somebody else"],
)
def test_slurm(tmp_path: Path, before: str, steps: list[str], after: str) -> None:
    programs = {"scontrol": SCONTROL, "squeue": "#!/bin/sh\n"}
    assert run(tmp_path, "slurm.yml", steps, programs, before) == after


@pytest.mark.parametrize(
    ("spec", "steps", "unschedulable", "marked"),
    [
        ({}, ["drain"], True, True),
        ({}, ["drain", "drain", "undrain"], False, False),
        ({"unschedulable": True}, ["drain", "undrain"], True, False),
    ],
    ids=["drained", "given back after a repeated run", "cordoned by somebody else"],
)
def test_kubernetes(tmp_path: Path, spec: dict[str, bool], steps: list[str], unschedulable: bool, marked: bool) -> None:
    before = json.dumps({"metadata": {}, "spec": spec})
    after = json.loads(run(tmp_path, "kubernetes.yml", steps, {"kubectl": KUBECTL}, before))
    assert after["spec"]["unschedulable"] is unschedulable
    assert bool(after["metadata"]["annotations"]) is marked
