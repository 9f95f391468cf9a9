# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a node, and who gets it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import node_lease, process_identity, run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lease import Run

ROOT = Path(__file__).parents[5]
ANA = Run("a1", "ana@control1", "site.yml", "machine 1", "boot 1 1")
BEN = Run("b1", "ben@control2", "rollout.yml", "machine 2", "boot 2 2")
#: A run that has ended on this machine.
ENDED = replace(BEN, machine=process_identity.machine())
HOUR = run_lease.SECONDS

Clock = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the seconds since the node's boot; the node's clock says 12:03 all the time."""
    monkeypatch.setattr("time.time", lambda: 1_795_953_780.0)

    def at(seconds: float) -> None:
        monkeypatch.setattr("time.clock_gettime", lambda _clock: seconds)

    at(0)
    return at


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "evenkeel" / "lease")


def left(folder: str, worker: str = "") -> None:
    """Have the module that has taken the lease ended, or be another one."""
    path = Path(folder, "lease.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "worker": worker}))


@pytest.mark.parametrize(
    ("first", "seconds", "worker", "instead_of", "taken"),
    [
        (BEN, 0, "", "", False),
        (BEN, HOUR - 1, "", "", False),
        (BEN, HOUR, "", "", True),
        (BEN, HOUR, process_identity.of(os.getpid()), "", False),
        (BEN, 0, "", BEN.id, True),
        (BEN, 0, "", "c1", False),
        (ENDED, 0, "", "", True),
        (ANA, 0, "", "", True),
    ],
    ids=["held", "nearly over", "over", "works", "taken over", "from another one", "ended", "its own"],
)
def test_a_node_is_one_runs(
    folder: str, clock: Clock, first: Run, seconds: float, worker: str, instead_of: str, taken: bool
) -> None:
    assert run_lease.take(first, folder=folder) == (None, [])
    left(folder, worker)
    clock(seconds)
    other, warnings = run_lease.take(ANA, instead_of, folder=folder)
    assert ((other is None), warnings) == (taken, [])
    if other:
        until = "" if worker else "2026-11-29 13:03 UTC" if seconds == 0 else "2026-11-29 12:03 UTC"
        assert other == {**asdict(first), "since": "2026-11-29 12:03 UTC", "until": until}
    assert (run_lease.in_the_way(folder) or {}).get("id") == (ANA if taken else first).id


def test_a_module_of_the_run_renews_it(folder: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    run_lease.take(ANA, folder=folder)
    monkeypatch.setattr("time.time", lambda: 1_795_953_780.0 + HOUR - 1)
    clock(HOUR - 1)
    run_lease.renew(json.dumps(asdict(ANA)), folder=folder)
    left(folder)
    found = run_lease.in_the_way(folder)
    assert found
    assert (found["since"], found["until"]) == ("2026-11-29 12:03 UTC", "2026-11-29 14:02 UTC")


def test_a_run_holds_a_node_again_after_a_boot(folder: str) -> None:
    run_lease.renew(json.dumps(asdict(ANA)), folder=folder)
    assert run_lease.in_the_way(folder)


def test_a_run_that_has_lost_the_node_stops(folder: str, clock: Clock) -> None:
    run_lease.take(BEN, folder=folder)
    left(folder)
    with pytest.raises(EvenkeelError) as caught:
        run_lease.renew(json.dumps(asdict(ANA)), folder=folder)
    assert str(caught.value) == (
        "ben@control2 has been changing this node by rollout.yml since 2026-11-29 12:03 UTC "
        "(until 2026-11-29 13:03 UTC if it does not go on). "
        "This run has lost the node: see whether that one was meant to take it, and run again."
    )


def test_a_run_lets_go_of_what_is_its_own(folder: str) -> None:
    run_lease.release(ANA, folder=folder)
    run_lease.take(BEN, folder=folder)
    run_lease.release(ANA, folder=folder)
    assert run_lease.in_the_way(folder)
    run_lease.release(BEN, folder=folder)
    assert run_lease.in_the_way(folder) is None


def test_others_can_neither_hold_nor_read_it(folder: str) -> None:
    run_lease.take(ANA, folder=folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [Path(folder), *Path(folder).iterdir()]}
    assert modes == {"lease": 0o700, "lease.json": 0o600, "lock": 0o600}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"run": 1}', '{"run": {"id": "a"}}', "\0" * 99, "[" * 20000],
    ids=["empty", "cut off", "list", "null", "nothing", "number", "half a run", "zeros", "deep"],
)
def test_a_damaged_lease_is_reported_and_over(folder: str, text: str) -> None:
    run_lease.take(BEN, folder=folder)
    Path(folder, "lease.json").write_text(text)
    assert run_lease.in_the_way(folder) is None
    run_lease.release(BEN, folder=folder)
    other, warnings = run_lease.take(ANA, folder=folder)
    assert (other, len(warnings)) == (None, 1)
    assert warnings[0].startswith(f"{folder}/lease.json was damaged")
    assert run_lease.take(ANA, folder=folder) == (None, [])


@pytest.mark.parametrize(
    "times",
    [{"until": HOUR + 1}, {"until": float("nan")}, {"since": float("inf")}, {"since": 1e300}],
    ids=["of an earlier boot", "no time", "never", "far away"],
)
def test_a_lease_of_no_time_of_this_boot_is_over(folder: str, clock: Clock, times: dict[str, float]) -> None:
    run_lease.take(BEN, folder=folder)
    path = Path(folder, "lease.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "until": HOUR, "worker": "", **times}))
    assert run_lease.in_the_way(folder) is None
    assert run_lease.take(ANA, folder=folder)[0] is None


def test_a_link_is_not_followed(folder: str, tmp_path: Path) -> None:
    run_lease.take(BEN, folder=folder)
    there = tmp_path / "there"
    Path(folder, "lease.json").rename(there)
    Path(folder, "lease.json").symlink_to(there)
    assert run_lease.in_the_way(folder) is None
    assert run_lease.take(ANA, folder=folder)[1]
    assert (there.is_file(), Path(folder, "lease.json").is_symlink()) == (True, False)


def test_a_directory_in_its_place_is_named(folder: str) -> None:
    Path(folder, "lease.json").mkdir(parents=True)
    with pytest.raises(EvenkeelError, match=f"{folder}/lease.json: Is a directory. Move the directory"):
        run_lease.take(ANA, folder=folder)


def test_a_newer_one_is_left_alone(folder: str) -> None:
    run_lease.take(BEN, folder=folder)
    Path(folder, "lease.json").write_text('{"format": 2}')
    with pytest.raises(EvenkeelError, match="written by a newer Evenkeel"):
        run_lease.take(ANA, folder=folder)


#: Takes many nodes as soon as it may, and prints which it has got.
TAKER = """
import sys
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lease
run = run_lease.Run(sys.argv[1], "", "", "", "")
print("ready", flush=True)
sys.stdin.read()
print(*[node for node in range(20) if not run_lease.take(run, folder=f"{sys.argv[2]}/{node}/lease")[0]])
"""


def test_of_runs_that_begin_at_once_one_gets_a_node(folder: str) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, str(number), folder],
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    Path(folder).mkdir(parents=True)
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
    got = [node for run in runs if run.stdout for node in run.stdout.read().split()]
    assert sorted(got, key=int) == [str(node) for node in range(20)]
    assert [run.wait() for run in runs] == [0, 0, 0]


@pytest.mark.parametrize(
    ("state", "check_mode", "holder"),
    [("held", False, "a1"), ("held", True, None), ("free", False, None)],
)
def test_the_module_takes_and_lets_go(
    folder: str, monkeypatch: pytest.MonkeyPatch, state: str, check_mode: bool, holder: str | None
) -> None:
    for name in ("take", "release"):
        function = getattr(run_lease, name)
        monkeypatch.setattr(run_lease, name, lambda *given, of=function: of(*given, folder=folder))
    params = {"state": state, "run": asdict(ANA), "instead_of": ""}
    assert not node_lease.converge(params, check_mode).get("other")
    assert (run_lease.in_the_way(folder) or {}).get("id") == holder
