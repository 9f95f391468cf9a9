# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version

from lab import wait
from reality.claims import Claim, OutOfTimeError, Result, SkippedError, differs, proven
from reality.reach import RefusedError, TroubleError
from reality.run import ORDER, ask, known_parts, run
from reality.state import STATE, State
from reality.world import ROOT, World
from tests.unit.reality.made_part import Ask, Made, Watcher
from tests.unit.reality.site import Reply, Site, running


def raises(error: Exception) -> Ask:
    def check(_world: World) -> Result:
        raise error

    return check


def holds(_world: World) -> Result:
    return proven("a site")


def kept(world: World) -> dict[str, Result]:
    """Return the results on disk."""
    claims = [
        claim
        for name in ("made", "other")
        for claim in Made(dict.fromkeys(("one", "two", "three"), holds), name=name).claims(world)
    ]
    return State(world.folder / STATE).of(claims)


@pytest.fixture
def state(world: World) -> State:
    return State(world.folder / STATE)


@pytest.mark.parametrize(
    ("check", "result"),
    [
        (holds, ("proven", "a site", "")),
        (lambda _world: differs("a site", "it is red"), ("differs", "a site", "it is red")),
        (raises(SkippedError("no podman")), ("skipped", "", "no podman")),
        (raises(TroubleError("no answer")), ("unreachable", "", "no answer")),
        (raises(RefusedError("http://a/b", 404)), ("differs", "", "http://a/b answered 404 Not Found")),
        (raises(EvenkeelError("It is no index", "Check it")), ("differs", "", "It is no index")),
        (raises(ZeroDivisionError("x")), ("failed", "", "the check itself failed: ZeroDivisionError: x")),
        (raises(SkippedError(f"see {Path.home()}/x and {ROOT}/y")), ("skipped", "", "see ~/x and ./y")),
        (lambda _world: differs("a\x1b[2J", "b\u202e"), ("differs", "a\\x1b[2J", "b\\u202e")),
        (lambda _world: differs("a", "x" * 2001), ("differs", "a", f"{'x' * 2000}… (cut: it has 2001 characters)")),
        (lambda _world: proven("/home/ann.smith/images/own.qcow2"), ("proven", "…/own.qcow2", "")),
        (
            lambda _world: differs(
                "https://ann:s3cr3t@a.example/t/TOKEN/x?sig=SECRET",
                "http://ann:s3cr3t@a.example/t/TOKEN/x is not there",
            ),
            (
                "differs",
                "https://********@a.example/t/********/x?…",
                "http://********@a.example/t/********/x is not there",
            ),
        ),
    ],
)
def test_each_end_of_a_check_is_a_result(world: World, check: Ask, result: tuple[str, str, str]) -> None:
    found = ask(Made({"one": check}), Claim("made/one", "made", "one holds", "Made"), world)
    assert found is not None
    assert (found.state, found.on, found.detail) == result
    assert found.version == own_version()
    assert found.when


def test_what_is_no_result_is_a_fault_of_the_check(world: World, state: State) -> None:
    part = Made({"one": lambda _world: proven("image", 5), "two": lambda _world: None, "three": holds})
    assert run("made", part, world, state, Watcher())
    found = state.of(part.claims(world))
    assert [one.state for one in found.values()] == ["failed", "failed", "proven"]
    assert found["made/one"].detail.startswith("the check itself failed: TypeError: ")


def test_what_the_lab_lacks_says_nothing(world: World) -> None:
    world.stand_ins = {}
    part = Made({"absent": raises(RefusedError("http://a/b", 404)), "kept": raises(RefusedError("http://a/b", 403))})
    states = [found.state for claim in part.claims(world) if (found := ask(part, claim, world))]
    assert states == ["skipped", "differs"]


def test_each_result_is_on_disk_before_the_next_question(world: World, state: State) -> None:
    seen = []

    def look(_world: World) -> Result:
        path = world.folder / STATE
        seen.append(sorted(json.loads(path.read_text())["parts"]["made"]["results"]) if path.exists() else [])
        return proven("a site")

    assert run("made", Made({"one": look, "two": look, "three": look}), world, state, Watcher())
    assert seen == [[], ["made/one"], ["made/one", "made/two"]]


def test_what_is_asked_is_shown_until_it_has_its_result(world: World, state: State) -> None:
    watcher = Watcher()

    def until_shown(_world: World) -> Result:
        wait.until(lambda: watcher.waited, "it is shown", "", seconds=10)
        return proven("a site")

    assert run("made", Made({"one": until_shown, "two": holds}), world, state, watcher)
    assert watcher.waited == {"made/one"}


def test_a_run_that_was_stopped_asks_what_has_no_answer_yet(world: World, state: State) -> None:
    first = Made({"one": holds, "two": raises(OutOfTimeError()), "three": raises(TroubleError("down"))})
    assert not run("made", first, world, state, Watcher())
    again, watcher = Made({"one": holds, "two": holds, "three": holds}), Watcher()
    assert run("made", again, world, State(world.folder / STATE), watcher)
    assert (again.asked, watcher.begun) == (["two", "three"], [("made", 3, 1)])
    whole = Made({"one": holds, "two": holds, "three": holds})
    assert run("made", whole, world, State(world.folder / STATE), Watcher())
    assert whole.asked == ["one", "two", "three"]


def test_some_claims_alone_are_asked_and_a_whole_run_goes_on_from_them(world: World, state: State) -> None:
    first, watcher = Made({"one": holds, "two": holds, "three": holds}), Watcher()
    assert run("made", first, world, state, watcher, only="made/t*")
    assert (first.asked, watcher.begun) == (["two", "three"], [("made", 2, 0)])
    rest = Made({"one": holds, "two": holds, "three": holds})
    assert run("made", rest, world, State(world.folder / STATE), Watcher())
    assert rest.asked == ["one"]
    again = Made({"one": holds, "two": holds, "three": holds})
    assert run("made", again, world, State(world.folder / STATE), Watcher(), only="made/two")
    assert again.asked == ["two"]
    assert sorted(kept(world)) == ["made/one", "made/three", "made/two"]


def test_what_a_repair_was_for_is_asked_again_and_the_logs_of_others_stay(world: World, state: State) -> None:
    logs = [world.folder / "made" / name for name in ("one.log", "deep/two.log")]
    kept = world.folder / "made" / "answers.xml"

    def log(_world: World) -> Result:
        for path in (*logs, kept):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return differs("a site", "another")

    run("made", Made({"one": holds, "two": log}), world, state, Watcher())
    for only, left in (("made/two", [True, True]), ("*", [False, False])):
        again, watcher = Made({"one": holds, "two": holds}), Watcher()
        assert run("made", again, world, State(world.folder / STATE), watcher, only=only)
        assert watcher.results[-1] == ("made/two", "proven")
        assert ([path.exists() for path in logs], kept.exists()) == (left, False)


def test_differences_that_a_stopped_run_has_found_are_shown_again(world: World, state: State) -> None:
    found = differs("a site", "another")
    first = Made({"one": holds, "two": lambda _world: found, "three": raises(OutOfTimeError())})
    assert not run("made", first, world, state, Watcher())
    again, watcher = Made({"one": holds, "two": holds, "three": holds}), Watcher()
    assert run("made", again, world, State(world.folder / STATE), watcher)
    assert (again.asked, watcher.begun) == (["three"], [("made", 3, 1)])
    assert watcher.results == [("made/two", "differs"), ("made/three", "proven")]


def test_a_part_without_time_asks_nothing_and_keeps_what_it_has(world: World, state: State) -> None:
    assert not run("made", Made({"one": holds, "two": raises(OutOfTimeError())}), world, state, Watcher())
    late = Made({"one": holds, "two": holds})
    assert not run("made", late, world, State(world.folder / STATE), Watcher(), limit=0)
    assert (late.asked, list(kept(world))) == ([], ["made/one"])


def test_what_no_check_may_raise_ends_a_run(world: World, state: State) -> None:
    with pytest.raises(SystemExit):
        run("made", Made({"one": holds, "two": raises(SystemExit()), "three": holds}), world, state, Watcher())
    assert list(kept(world)) == ["made/one"]


def test_a_check_that_does_not_end_is_not_waited_for(
    world: World, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reality.run._GRACE_SECONDS", 0.1)
    never = threading.Event()

    def hangs(_world: World) -> Result:
        never.wait(60)
        return proven("a site")

    part = Made({"one": holds, "two": hangs, "three": holds})
    assert not run("made", part, world, state, Watcher(), limit=0.3)
    assert (part.asked, list(kept(world))) == (["one", "two"], ["made/one"])
    never.set()


def test_claims_of_a_slow_site_keep_no_other_one_waiting(site: Site, world: World, state: State) -> None:
    slow = site.answer("/slow", Reply(silent=True))
    with running() as other:
        there = other.answer("/there", b"x")
        asks: dict[str, Ask] = {f"slow-{n}": lambda here: proven(here.reach.get(slow).url) for n in range(9)}
        asks |= {f"once-{n}": lambda here: here.once(slow, lambda: proven(here.reach.get(slow).url)) for n in range(9)}
        asks["there"] = lambda here: proven(here.reach.get(there).url)
        part = Made(asks)
        part.AT_ONCE = 6
        watcher = Watcher()
        threading.Thread(target=run, args=["made", part, world, state, watcher], daemon=True).start()
        wait.until(lambda: watcher.results, "the other site's claim has its result", "", seconds=10)
    assert watcher.results == [("made/there", "proven")]


def test_what_checks_keep_lasts_as_long_as_their_run(world: World, state: State) -> None:
    kept = world.folder / "made" / "results.xml"

    def keep(_world: World) -> Result:
        seen.append(kept.exists())
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()
        return proven("a site")

    seen: list[bool] = []
    run("made", Made({"one": keep, "two": raises(OutOfTimeError())}), world, state, Watcher())
    run("made", Made({"one": keep, "two": keep}), world, state, Watcher())
    run("made", Made({"one": keep}), world, state, Watcher())
    assert seen == [False, True, False]


def test_parts_do_not_touch_each_other(world: World, state: State) -> None:
    run("made", Made({"one": holds}), world, state, Watcher())
    run("other", Made({"one": raises(SkippedError("no"))}, name="other"), world, state, Watcher())
    assert {key: one.state for key, one in kept(world).items()} == {"made/one": "proven", "other/one": "skipped"}


#: Jobs in the background begin with some signals ignored.
RUN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
import reality
from reality import __main__ as command
from reality.claims import proven
from tests.unit.reality.made_part import Made
def wait(world):
    print("waiting", flush=True)
    time.sleep(60)
part = Made({"one": lambda world: proven("a site"), "two": wait})
command.known_parts = lambda: {"made": part}
command.take_ends()
sys.exit(command.main(["run"], Path(sys.argv[1])))
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Callable[[int], tuple[int, str]]:
    """Return what sends a signal to a run that waits in its second claim."""

    def ended(number: int) -> tuple[int, str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-c", RUN, str(tmp_path / "reality")]
        # Where the tests themselves run in the background, SIGINT is ignored.
        heeded = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(argv, env=env, cwd=ROOT, text=True, preexec_fn=heeded, **output) as child:
            assert child.stdout is not None
            said = ""
            while "waiting" not in said:
                said += child.stdout.readline()
            child.send_signal(number)
            said += child.stdout.read()
        return child.returncode, said

    return ended


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_with_what_was_found(
    waiting: Callable[[int], tuple[int, str]], tmp_path: Path, number: int
) -> None:
    status, said = waiting(number)
    assert (status, "1 proven" in said, "the same command goes on from here" in said) == (130, True, True), said
    report = json.loads((tmp_path / "reality" / "reality.json").read_text())
    assert [row["state"] for row in report["claims"]] == ["proven", "never"]


def test_a_killed_run_goes_on_where_it_stopped(
    waiting: Callable[[int], tuple[int, str]], tmp_path: Path, world: World
) -> None:
    assert waiting(signal.SIGKILL)[0] == -signal.SIGKILL
    part = Made({"one": holds, "two": holds})
    assert run("made", part, world, State(tmp_path / "reality" / STATE), Watcher())
    assert part.asked == ["two"]


@pytest.mark.parametrize("at", ["check", "state"])
def test_a_full_disk_ends_a_run_and_is_no_difference(
    at: str, world: World, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", str(world.folder / STATE))
    part = Made({"one": holds, "two": raises(full) if at == "check" else holds, "three": holds})
    if at == "state":
        keep = State.keep

        def fails(self: State, claim: Claim, result: Result) -> None:
            if claim.id == "made/two":
                raise full
            keep(self, claim, result)

        monkeypatch.setattr(State, "keep", fails)
    with pytest.raises(OSError, match="No space left"):
        run("made", part, world, state, Watcher())
    monkeypatch.undo()
    world.reach.stop.clear()
    assert list(kept(world)) == ["made/one"]
    again = Made({"one": holds, "two": holds, "three": holds})
    assert run("made", again, world, State(world.folder / STATE), Watcher())
    assert again.asked == ["two", "three"]


def test_parts_have_claims_with_keys_of_their_own_and_without_a_network(world: World) -> None:
    for name, part in known_parts().items():
        claims = list(part.claims(world))
        assert name in ORDER
        assert claims
        assert {claim.part for claim in claims} == {name}
        assert len({claim.id for claim in claims}) == len(claims)
        assert all(claim.id.startswith(f"{name}/") for claim in claims)


def test_a_program_that_is_not_there_skips_its_claim(world: World) -> None:
    with pytest.raises(SkippedError, match="this machine has no no-such-tool: install it"):
        world.tool("no-such-tool", "install it")
