# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees of real runs on a terminal: of builds, of runs that are stopped or interrupted, at the end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.faults.conftest import ROOT, Node
from tests.unit.plugins.callback.terminal import Run

INTERRUPT, SUSPEND = b"\x03", b"\x1a"
#: Of a line that changes in place, the beginning or what may be left of it; and one of an environment that is built.
PROGRESS = re.compile(r"^debian12-1 +\d+:\d\d  |\d of \d+\b")
BUILDING = re.compile(r"^debian12-1 +\d+:\d\d  (jupyter|ai-dev|minimal): ")
PLAYBOOK = f"{sys.executable} -m ansible playbook --inventory inventories/demo site.yml"

Start = Callable[..., Run]


@pytest.fixture
def start(node: Node) -> Iterator[Start]:
    """Return what runs a command on a terminal of so many columns, with the settings of a clone."""
    runs: list[Run] = []
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    variables = {
        **inherited,
        "ANSIBLE_CACHE_PLUGIN": "memory",
        "EVENKEEL_LAB_GROUP": node.group,
        "EVENKEEL_PROGRESS_AFTER": "0",
        "PS1": "ready> ",
        "TERM": "xterm",
    }

    def started(*argv: str, columns: int) -> Run:
        runs.append(Run(argv, ROOT, variables, columns))
        return runs[-1]

    yield started
    for run in runs:
        os.close(run.terminal)


def is_building(lines: list[str]) -> bool:
    return bool(BUILDING.match(lines[-1]))


@pytest.mark.long
def test_a_first_run_shows_what_it_builds_and_fits_on_a_screen(node: Node, start: Start) -> None:
    node.strip()
    run = start(*PLAYBOOK.split(), columns=120)
    run.until(is_building)
    assert run.end() == 0, "\n".join(run.screen())
    seen = run.screen()
    assert not [line for line in seen if PROGRESS.search(line)]
    assert len(seen) < 85
    (summary,) = [number for number, line in enumerate(seen) if line.startswith("SUMMARY *")]
    assert seen[summary + 1].startswith("debian12-1: changed miniconda, condarc, ")


@pytest.mark.long
def test_a_run_can_be_stopped_and_gone_on_with_and_interrupted(prepared: Node, start: Start) -> None:
    prepared.clear()
    run = start("bash", "--norc", "--noprofile", "--noediting", columns=40)
    run.until(lambda lines: lines[-1] == "ready>")
    os.write(run.terminal, f"{PLAYBOOK} --tags conda_environments\r".encode())
    run.until(is_building)
    os.write(run.terminal, SUSPEND)
    stopped = run.until(lambda lines: lines[-1] == "ready>")
    os.write(run.terminal, b"fg\r")
    seen = run.until(lambda lines: len(lines) > len(stopped) + 1 and is_building(lines))
    assert [line for line in seen[len(stopped) :] if PROGRESS.search(line)] == seen[-1:]
    os.write(run.terminal, INTERRUPT)
    seen = run.until(lambda lines: lines[-1] == "ready>" and len(lines) > len(stopped) + 2)
    assert seen[-2] == "[ERROR]: User interrupted execution"
    os.write(run.terminal, b"exit\r")
    run.end()
