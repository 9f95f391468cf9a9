# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from lab import wait
from reality import programs
from reality.claims import OutOfTimeError, Result, proven
from reality.run import alone, run
from reality.state import STATE, State
from reality.world import ROOT, World
from tests.unit.reality.made_part import Made, Watcher


def gone(pid: int) -> bool:
    """Return whether a process has ended, though nobody may have asked for its status."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def can_begin(folder: Path) -> bool:
    """Return whether no run keeps others out."""
    try:
        with alone(folder):
            return True
    except EvenkeelError:
        return False


def test_what_a_program_says(world: World, tmp_path: Path) -> None:
    argv = ["sh", "-c", "echo its words; echo a warning >&2; exit 3"]
    done = world.run(argv, apart=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "its words\n", "a warning\n")
    done = world.run(argv, log=tmp_path / "log")
    assert (done.stdout, done.stderr) == ("its words\na warning\n", "")
    assert (tmp_path / "log").read_text() == done.stdout
    assert not world.programs


@pytest.mark.parametrize("ignored", ["", "INT", "INT TERM"])
def test_a_program_that_takes_too_long_ends_with_all_that_it_started(
    world: World, tmp_path: Path, ignored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_STEPS", ("INT:2", "TERM:2"))
    trap = f"trap '' {ignored}; " if ignored else ""
    pids = tmp_path / "pids"
    with pytest.raises(OutOfTimeError, match="bash was ended before it was done"):
        world.run(["bash", "-c", f"{trap}sleep 600 & echo $$ $! >{pids}; while :; do wait; done"], seconds=0.5)
    wait.until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()), "both end", "ps", seconds=10)


def test_without_time_no_program_is_started(world: World, tmp_path: Path) -> None:
    world.reach.end = 0.0
    with pytest.raises(OutOfTimeError, match="there is no time for touch"):
        world.run(["touch", tmp_path / "started"])
    assert not (tmp_path / "started").exists()


def test_a_run_ends_after_its_programs(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_STEPS", ("INT:2",))
    pid = tmp_path / "pid"

    def ends(_world: World) -> Result:
        wait.until(pid.exists, "the program runs", "", seconds=30)
        raise SystemExit

    stubborn = f"trap '' INT; echo $$ >{pid}.new; mv {pid}.new {pid}; sleep 600"
    part = Made({"one": lambda here: proven(here.run(["sh", "-c", stubborn]).stdout), "two": ends})
    part.AT_ONCE = 2
    with pytest.raises(SystemExit):
        run("made", part, world, State(world.folder / STATE), Watcher())
    assert gone(int(pid.read_text()))


RUN = """
import sys
from pathlib import Path
from reality import __main__ as command
from reality import programs
from tests.unit.reality.made_part import Made
folder, stubborn, *steps = sys.argv[1:]
programs._STEPS = steps
command.known_parts = lambda: {"made": Made({"one": lambda world: world.run(["sh", "-c", stubborn])})}
command.take_ends()
sys.exit(command.main(["run"], Path(folder)))
"""


def as_in_the_foreground() -> None:
    """Take signals that jobs in the background begin with ignoring."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Started:
    """A run with a program that ignores interrupts, and ends when a file is there."""

    def __init__(self, folder: Path, *steps: str, **more: Any) -> None:
        pid, self.go, self.folder = folder / "pid", folder / "go", folder / "reality"
        stubborn = f"trap '' INT; echo $$ >{pid}.new; mv {pid}.new {pid}; until test -e {self.go}; do sleep 0.1; done"
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, self.folder, stubborn, *steps],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            preexec_fn=as_in_the_foreground,
            **more,
        )
        wait.until(pid.exists, "its program runs", "", seconds=120)
        self.program = int(pid.read_text())

    def states(self) -> list[str]:
        return [row["state"] for row in json.loads((self.folder / "reality.json").read_text())["claims"]]


def test_a_killed_run_leaves_no_program_and_keeps_others_out_until_it_has_ended(tmp_path: Path) -> None:
    started = Started(tmp_path, "INT:300")
    started.process.kill()
    started.process.wait(120)
    with pytest.raises(EvenkeelError, match=r"still locked by process \d+ \(sh of "), alone(started.folder):
        pass
    assert not gone(started.program)
    started.go.touch()
    wait.until(lambda: gone(started.program), "its program ends", "", seconds=30)
    wait.until(lambda: can_begin(started.folder), "the next run can begin", "", seconds=30)


def test_a_terminal_that_has_gone_keeps_no_report_from_being_written(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    started = Started(tmp_path, "INT:1", stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.close(ours)
    started.process.send_signal(signal.SIGHUP)
    assert started.process.wait(120) == 130
    assert started.states() == ["never"]
