# SPDX-License-Identifier: GPL-3.0-or-later
"""How a shell installs Python, with stand-ins for the package managers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import python_install

APT = "sudo apt-get install --yes python3"
INSTALL = "-q --yes -o DPkg::Lock::Timeout=300 --no-remove --no-install-recommends install"
#: Answers each call with the next line of a file, which is a status and what it says.
PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>calls
read -r status said <answers
sed -i 1d answers
echo "$said"
exit "${status:-0}"
"""


def calls(tmp_path: Path, command: str, answers: Sequence[str]) -> list[str]:
    """Run the program for a command; return the calls that it makes."""
    for name in ("apt-get", "dnf", "python3", "sleep"):
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "answers").write_text("".join(f"{answer}\n" for answer in answers))
    (tmp_path / "calls").touch()
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", python_install.script(command)], cwd=tmp_path, env=environment, check=False)
    assert (tmp_path / "answers").read_text() == ""
    return (tmp_path / "calls").read_text().splitlines()


MINIMAL = f"apt-get {INSTALL} --reinstall python3-minimal"
FIRST, AGAIN = f"apt-get {INSTALL} python3", f"apt-get {INSTALL} --fix-broken"


@pytest.mark.parametrize(
    ("answers", "made"),
    [
        pytest.param(["0", "0"], [FIRST, "python3 -c "], id="at once"),
        pytest.param(
            ["100 E: Unable to locate package python3", "0", "0", "0", "0"],
            [FIRST, "apt-get -q update", AGAIN, FIRST, "python3 -c "],
            id="without lists, or with broken dependencies",
        ),
        pytest.param(
            ["0", "127", "0"],
            [FIRST, "python3 -c ", MINIMAL],
            id="whose link is gone",
        ),
        pytest.param(
            ["0", "127", "100 E: It cannot be downloaded.", "0", "0"],
            [FIRST, "python3 -c ", MINIMAL, "apt-get -q update", MINIMAL],
            id="whose link is gone, without lists",
        ),
        pytest.param(
            ["100", "100 E: Could not get lock /var/lib/apt/lists/lock.", "0", "0", "0", "0", "0"],
            [FIRST, "apt-get -q update", "sleep 5", "apt-get -q update", AGAIN, FIRST, "python3 -c "],
            id="while another apt reads the lists",
        ),
        pytest.param(
            ["100", "100 E: The repository has no Release file.", "0", "0", "0"],
            [FIRST, "apt-get -q update", AGAIN, FIRST, "python3 -c "],
            id="with a broken repository",
        ),
    ],
)
def test_apt(tmp_path: Path, answers: list[str], made: list[str]) -> None:
    assert calls(tmp_path, APT, answers) == made


def test_apt_does_not_wait_for_ever(tmp_path: Path) -> None:
    tries = python_install.LOCK_SECONDS // 5
    waits = ["100 E: Could not get lock", "0"] * (tries - 1)
    made = calls(tmp_path, APT, ["100", *waits, "100 E: Could not get lock", "0", "0", "0"])
    assert made.count("sleep 5") == tries - 1


def test_dnf(tmp_path: Path) -> None:
    command = "sudo dnf install --assumeyes python3.12"
    assert calls(tmp_path, command, ["0"]) == ["dnf --assumeyes install python3.12"]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Reading\nE: no a\nE: no b\nE: no b\nDone", "E: no a E: no b"),
        ("Reading\n/bin/sh: 1: sudo: not found\nthe end", "/bin/sh: 1: sudo: not found"),
        (" cannot copy: No space left on device\nErrors:\n x", "cannot copy: No space left on device"),
        ("a\nb\nc\nd", "b c d"),
        ("", ""),
    ],
)
def test_what_a_package_manager_said_at_last(output: str, said: str) -> None:
    assert python_install.said_last(output) == said
