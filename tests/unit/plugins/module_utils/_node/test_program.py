# SPDX-License-Identifier: GPL-3.0-or-later
"""A program is one file that runs with Python alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import program
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import agent


def test_the_archive_has_what_the_program_imports_and_nothing_of_ansible(tmp_path: Path) -> None:
    path = tmp_path / "evenkeel-pull.pyz"
    path.write_bytes(program.archive(agent))
    assert program.archive(agent) == path.read_bytes()
    found = program.sources(agent)
    assert f"{program.ROOMS}._pull.agent" in found
    assert not any(name.endswith((".pull_agent", ".versions", ".entry")) for name in found)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path), "--python", "none", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "usage: evenkeel-pull" in done.stdout


def test_files_of_a_room_are_imported_and_names_of_a_file_are_not() -> None:
    lines = [f"from {program.ROOMS}._pull import tree, state as states", f"from {program.ROOMS}._node.errors import A"]
    assert list(program._imported("\n".join(lines))) == [
        f"{program.ROOMS}._pull.tree",
        f"{program.ROOMS}._pull.state",
        f"{program.ROOMS}._node.errors",
    ]
