# SPDX-License-Identifier: GPL-3.0-or-later
"""The last task of site.yml: what is wrong with users' own things, and a failure where that is wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FOUND: dict[str, Any] = {
    "__condarc_file": {"user_problems": {r"LAB\zoe": ["her .condarc is a pipe", "another"], "ana": ["her home hangs"]}},
    "__remote_access_homes": {"skipped": True},
    "__jupyter_status": {"user_problems": {"ana": ["her home hangs", "her server floods"]}},
}


@pytest.mark.parametrize(
    ("variables", "status", "lines"),
    [
        ({}, 0, []),
        (FOUND, 0, [r"LAB\zoe: another", "ana: her server floods"]),
        ({**FOUND, "evenkeel_user_problems_fail": True}, 2, [r"LAB\zoe: another", "ana: her server floods"]),
        ({"evenkeel_user_problems_fail": True}, 0, []),
    ],
    ids=["no problems", "a summary", "a failure", "nothing to fail for"],
)
def test_the_last_task(tmp_path: Path, variables: dict[str, Any], status: int, lines: list[str]) -> None:
    *_required, site = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROOT / "playbooks" / "vars" / "user_problems.yml")],
        "tasks": [site["tasks"][-1]],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local"),
            *(f"--extra-vars={json.dumps(variables)}", str(tmp_path / "play.yml")),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_NOCOLOR": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert [line for line in lines if line not in done.stdout] == []
    assert ("her home hangs" in done.stdout) is bool(lines)
