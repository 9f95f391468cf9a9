# SPDX-License-Identifier: GPL-3.0-or-later
"""Galaxy would take the archive: the checks of its importer, but for those that run elsewhere here or need a container.

The importer wants packages in other versions than the project's tools, so it has a virtual environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cache, locks, paths

VERSION = "galaxy-importer>=0.4.44,<0.5"
#: make lint runs ansible-lint, and test_sanity.py ansible-test.
ELSEWHERE = {"GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false", "GALAXY_IMPORTER_RUN_ANSIBLE_TEST": "false"}


@pytest.fixture(scope="module")
def importer() -> Path:
    """The programs of a virtual environment with the importer."""
    kept = paths.CACHE / "galaxy-importer" / cache.key(VERSION, sys.version)
    with locks.held("galaxy-importer"):
        if not (kept / "complete.txt").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(kept)], check=True)
            subprocess.run([str(kept / "bin" / "pip"), "install", "--quiet", VERSION], check=True)
            (kept / "complete.txt").touch()
    return kept / "bin"


def test_galaxy_takes_it(artifact: Path, importer: Path, tmp_path: Path) -> None:
    environment = {"PATH": f"{importer}:/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", **ELSEWHERE}
    asked = [str(importer / "python"), "-m", "galaxy_importer.main", str(artifact)]
    done = subprocess.run(asked, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "Importer processing completed successfully" in output
    warnings = [line for line in output.splitlines() if "WARNING" in line]
    assert [line for line in warnings if "found ignore-2.21.txt with 11 statement(s)" not in line] == []
    assert "ERROR" not in output
    result = json.loads((tmp_path / "importer_result.json").read_text())
    assert {"module", "filter", "lookup", "role", "playbook"} <= {
        content["content_type"] for content in result["contents"]
    }
