# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files may end in a commit by accident."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import ignored


@pytest.mark.parametrize(
    ("repository", "patterns", "tracked", "result"),
    [
        pytest.param(False, "", False, True, id="in no repository"),
        pytest.param(True, "", False, False, id="in one"),
        pytest.param(True, "*.pem\n", False, True, id="ignored"),
        pytest.param(True, "*.pem\n", True, False, id="committed before it was ignored"),
    ],
)
def test_ignored(tmp_path: Path, repository: bool, patterns: str, tracked: bool, result: bool) -> None:
    (tmp_path / "ca").mkdir()
    key = tmp_path / "ca" / "key.pem"
    key.touch()
    if repository:
        subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    if tracked:
        subprocess.run(["git", "-C", str(tmp_path), "add", "--force", str(key)], check=True)
    (tmp_path / ".gitignore").write_text(patterns)
    assert ignored.by_git(key) is result
