# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell says of a node."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import first_look
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.first_look import FirstLook, Python

WORD = "5a1f"
SAID = """Welcome to gpu1!
uid 4711
clock 5
python /usr/bin/perl 3.13
5a1f uid 1000\r
5a1f clock 1795815180
5a1f machine x86_64
5a1f python /usr/bin/python3.9 3.9.25
5a1f python /usr/bin/python3 3.6.8
5a1f python /usr/bin/python3 3.6.8
5a1f python /opt/broken/python3\x20
5a1f release NAME="Rocky Linux"
5a1f release VERSION_ID="8.10"
5a1f release ID="rocky"
5a1f release ID_LIKE="rhel centos fedora"
Good bye.
Shared connection to 10.0.0.1 closed.
"""
UBUNTU = {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"}
ROCKY8 = {"ID": "rocky", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "8.10"}
ROCKY9 = {**ROCKY8, "VERSION_ID": "9.4"}
OLD, NEW = Python("/usr/bin/python3", "3.6.8"), Python("/usr/bin/python3.12", "3.12.3")
PLATFORM = Python("/usr/libexec/platform-python", "3.6.8")


def test_what_was_said() -> None:
    found = first_look.parse(SAID, WORD)
    assert (found.uid, found.clock, found.machine, found.name) == (1000, 1795815180, "x86_64", "Rocky 8.10")
    assert found.pythons == (
        Python("/usr/bin/python3.9", "3.9.25"),
        Python("/usr/bin/python3", "3.6.8"),
        Python("/opt/broken/python3", ""),
    )
    assert found.noise == "Good bye."


def test_nothing_was_said() -> None:
    assert first_look.parse("", WORD) == FirstLook()


def test_the_program_runs() -> None:
    done = subprocess.run(
        ["sh", "-c", "printf Welcome\n" + first_look.script([sys.executable, "no such; python"], WORD)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = first_look.parse(done.stdout, WORD)
    assert found.uid == os.getuid()
    assert found.clock
    assert found.release["ID"]
    assert Python(sys.executable, sys.version.split()[0]) in found.pythons


@pytest.mark.parametrize(
    ("version", "expected"), [("3.9.0", True), ("3.12", True), ("3.8.20", False), ("2.7.18", False), ("", False)]
)
def test_an_interpreter_can_be_too_old(version: str, expected: bool) -> None:
    assert Python("/x", version).is_new_enough is expected


@pytest.mark.parametrize(
    ("clock", "skew"),
    [
        (None, {}),
        (100, {"clock_skew": 0}),
        (102, {"clock_skew": 0}),
        (112, {"clock_skew": 10}),
        (89, {"clock_skew": -10}),
    ],
)
def test_the_time_that_the_question_takes_is_no_skew(clock: int | None, skew: dict[str, int]) -> None:
    assert first_look.skew(FirstLook(clock=clock), 100.0, 102.0) == skew


@pytest.mark.parametrize(
    ("pythons", "configured", "release", "problem"),
    [
        ([NEW], "", UBUNTU, ""),
        ([NEW], NEW.path, UBUNTU, ""),
        ([NEW, OLD], "", UBUNTU, ""),
        ([], "", UBUNTU, "no Python. Install it on the node: `sudo apt-get install --yes python3`."),
        ([], "", ROCKY9, "no Python. Install it on the node: `sudo dnf install --assumeyes python3`."),
        ([], "", {"ID": "arch"}, "no Python. Install it on the node: Python 3.9 or newer."),
        (
            [NEW],
            "/usr/bin/python3.11",
            UBUNTU,
            "There is no /usr/bin/python3.11. Set ansible_python_interpreter to /usr/bin/python3.12, which is 3.12.3.",
        ),
        (
            [OLD, NEW],
            "",
            ROCKY9,
            "/usr/bin/python3 is Python 3.6.8, and Evenkeel needs 3.9 or newer. Set ansible_python_interpreter to"
            " /usr/bin/python3.12, which is 3.12.3.",
        ),
        (
            [PLATFORM],
            "",
            ROCKY8,
            "no Python. Install it on the node: `sudo dnf install --assumeyes python3.12`, then set"
            " ansible_python_interpreter to /usr/bin/python3.12.",
        ),
        (
            [Python("/usr/bin/python3.14", "3.14.0")],
            "",
            UBUNTU,
            "There is no Python that Ansible finds. Set ansible_python_interpreter to /usr/bin/python3.14, which is"
            " 3.14.0.",
        ),
    ],
)
def test_why_modules_can_not_run(pythons: list[Python], configured: str, release: dict[str, str], problem: str) -> None:
    found = FirstLook(uid=1000, release=release, pythons=pythons)
    assert first_look.python_problem(found, configured) == problem


@pytest.mark.parametrize(
    ("noise", "says"), [("", ""), ("This account is not available.", " and says: This account is not available")]
)
def test_a_shell_that_runs_no_commands_is_no_lack_of_python(noise: str, says: str) -> None:
    found = FirstLook(noise=noise)
    assert first_look.python_problem(found, "") == (
        f"The shell of Ansible's user runs no commands{says}. Give the user one on the node, such as /bin/bash."
    )
    assert not first_look.install_command(found, "")
