# SPDX-License-Identifier: GPL-3.0-or-later
"""drift_merge.yml asks no node, so it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
REPORT = ROOT / "tests" / "unit" / "plugins" / "plugin_utils" / "_drift" / "sample_report.json"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_branch_is_one_of_the_inventory_s_repository(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    for arguments in (("init", "--quiet"), ("config", "user.name", "Ana"), ("config", "user.email", "a@site.example")):
        git(site, *arguments)
    hosts = json.loads(REPORT.read_text())["hosts"]
    (site / "inventory" / "hosts.yml").write_text(json.dumps({"gpu_nodes": {"hosts": {name: {} for name in hosts}}}))
    variables = {
        "drift_reports": str(REPORT),
        "drift_directory": str(tmp_path / "drift"),
        "drift_history_branch": "drift-history",
    }
    asked = [f"--inventory={site / 'inventory'}", f"--extra-vars={json.dumps(variables)}", "playbooks/drift_merge.yml"]
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", *asked],
        check=False,
        cwd=ROOT,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stdout
    assert (
        git(site, "log", "--format=%s", "drift-history") == "unreachable: 5 equal, 3 drifted, 3 unknown, 1 unreachable"
    )
