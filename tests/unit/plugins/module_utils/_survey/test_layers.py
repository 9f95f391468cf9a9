# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers in processes of their own: what one does is its own."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import layers
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.layers import Answer, Layer, in_processes

#: Longer than any test may take.
NEVER = 600.0


def answering(*answers: Answer) -> Layer:
    return lambda: iter(answers)


def doing(act: Callable[[], Any], *, first: Answer | None = None) -> Layer:
    """Return a layer that does something, and then answers what it returned."""

    def layer() -> Iterator[Answer]:
        if first is not None:
            yield first
        yield {"got": act()}

    return layer


def fail(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def hang() -> None:
    while True:
        signal.pause()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test leaves a child, dead or alive, or an open file."""
    before = descriptors()
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    # What other tests have left may be closed meanwhile.
    assert descriptors() <= before


def test_no_layer() -> None:
    assert in_processes({}, NEVER, 2) == {}


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_answers_come_in_order_whatever_runs_beside(at_once: int) -> None:
    found = in_processes({name: answering({"n": 1}, {"n": 2, "text": name}) for name in "cab"}, NEVER, at_once)
    assert found == {name: ([{"n": 1}, {"n": 2, "text": name}], "") for name in "cab"}
    assert list(found) == list("cab")


def test_layers_run_side_by_side() -> None:
    """Each of two layers waits for the other."""
    pipes = [os.pipe(), os.pipe()]

    def meet(mine: int, other: int) -> Callable[[], str]:
        def act() -> str:
            os.write(pipes[mine][1], b"x")
            return os.read(pipes[other][0], 1).decode()

        return act

    assert in_processes({"a": doing(meet(0, 1)), "b": doing(meet(1, 0))}, NEVER, 2) == {
        "a": ([{"got": "x"}], ""),
        "b": ([{"got": "x"}], ""),
    }
    for end in (*pipes[0], *pipes[1]):
        os.close(end)


def test_no_more_run_than_may() -> None:
    """With one at a time, the second finds what the first has left."""
    reading, writing = os.pipe()

    first = doing(lambda: os.write(writing, b"x"))
    second = doing(lambda: is_readable(reading))
    assert in_processes({"first": first, "second": second}, NEVER, 1)["second"] == ([{"got": True}], "")
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (fail(ValueError("no such thing")), "ValueError: no such thing"),
        (fail(SystemExit(3)), "SystemExit: 3"),
        (fail(KeyboardInterrupt()), "KeyboardInterrupt: "),
        (lambda: os._exit(1), "its process ended early"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process ended early"),
        (lambda: b"bytes", "TypeError: Object of type bytes is not JSON serializable"),
    ],
)
def test_a_crash_ends_a_layer_alone(act: Callable[[], Any], why: str) -> None:
    found = in_processes({"bad": doing(act, first={"n": 1}), "good": answering({"n": 1})}, NEVER, 2)
    assert found == {"bad": ([{"n": 1}], why), "good": ([{"n": 1}], "")}


def test_a_process_that_ends_within_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(pipe: int, _answer: Answer) -> None:
        os.write(pipe, b'{"n": 1}\n{"n": ')
        os._exit(0)

    monkeypatch.setattr(layers, "_write", write_half)
    assert in_processes({"a": answering({})}, NEVER, 1) == {
        "a": ([{"n": 1}], "its process ended early within an answer")
    }


@pytest.mark.parametrize("answer", [{"end": "a"}, {"a": 'x"'}, {"a": "x\n"}, {"a": 'x"\n'}, {}, {"a": ["é", "\udce9"]}])
def test_an_answer_is_never_the_end(answer: Answer) -> None:
    assert in_processes({"a": answering(answer, {"n": 2})}, NEVER, 1) == {"a": ([answer, {"n": 2}], "")}


def test_a_long_answer_comes_whole() -> None:
    answer = {"text": 3_000_000 * "x"}
    assert in_processes({"a": answering(answer, answer)}, NEVER, 1) == {"a": ([answer, answer], "")}


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe: with something in it, each layer that runs is at its limit of time once an answer has been read."""
    reading, writing = os.pipe()
    read, was_read = layers._Process.read, []

    def read_and_note(process: layers._Process) -> bool:
        was_read.append(process.name)
        return read(process)

    monkeypatch.setattr(layers._Process, "read", read_and_note)
    monkeypatch.setattr(layers.time, "monotonic", lambda: 2 * NEVER if was_read and is_readable(reading) else 0.0)
    yield writing
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)


def is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_a_layer_has_a_limit_of_time_of_its_own(late: int) -> None:
    def slow() -> Iterator[Answer]:
        yield {"n": os.write(late, b"x")}
        hang()

    assert in_processes({"slow": slow, "next": answering({"n": 1})}, NEVER, 1, "drift_seconds") == {
        "slow": ([{"n": 1}], "it took longer than 600 seconds (drift_seconds)"),
        "next": ([{"n": 1}], ""),
    }


def test_answers_that_keep_coming_do_not_lengthen_the_limit(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    read = layers._Process.read

    def read_until_there_is_more(process: layers._Process) -> bool:
        more = read(process)
        select.select([process.pipe], [], [])
        return more

    monkeypatch.setattr(layers._Process, "read", read_until_there_is_more)
    monkeypatch.setattr(layers, "MOST_BYTES", 1 << 20)

    def endless() -> Iterator[Answer]:
        os.write(late, b"x")
        while True:
            yield {"n": 1}

    ((answers, why),) = in_processes({"a": endless}, NEVER, 1).values()
    assert why == "it took longer than 600 seconds"
    assert answers[0] == {"n": 1}


def test_answers_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MOST_BYTES", 1000)
    long = doing(lambda: 1000 * "x", first={"n": 1})
    many = answering(*(10_000 * [{"text": 1000 * "x"}]))
    found = in_processes({"long": long, "many": many, "next": answering({"n": 1})}, NEVER, 1)
    assert (found["long"][0][0], found["long"][1]) == ({"n": 1}, "its answers were too long")
    assert len(found["many"][0]) < 10_000, "it is ended early"
    assert found["many"][1] == "its answers were too long"
    assert found["next"] == ([{"n": 1}], "")


def test_what_others_started_stays() -> None:
    child = os.fork()
    if child == 0:
        hang()
    in_processes({"a": answering({})}, NEVER, 1)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def start() -> list[int]:
    """Start processes of many kinds, none of which has the layer's pipe, and return their ids."""
    child = os.fork()
    if child == 0:
        os.closerange(3, 1 << 16)
        hang()
    program, in_session = (
        subprocess.Popen(["sleep", "infinity"], stdin=subprocess.DEVNULL, start_new_session=new).pid
        for new in (False, True)
    )
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        orphan = os.fork()
        if orphan == 0:
            os.setsid()
            os.write(writing, b"%d" % os.getpid())
            os.closerange(3, 1 << 16)
            hang()
        os._exit(0)
    orphan = int(os.read(reading, 100))
    os.waitpid(parent, 0)
    return [child, program, in_session, orphan]


@pytest.mark.parametrize(
    "then", [hang, lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: None], ids=["late", "killed", "whole"]
)
def test_what_a_layer_started_ends_with_it(then: Callable[[], Any], late: int) -> None:
    def layer() -> Iterator[Answer]:
        started = start()
        if then is hang:
            os.write(late, b"x")
        yield {"started": started}
        then()

    ((answers, _why),) = in_processes({"a": layer}, NEVER, 1).values()
    assert all(map(is_gone, answers[0]["started"]))


def test_what_a_layer_started_ends_with_it_alone() -> None:
    """The first layer's program is there after the second's end."""
    reading, writing = os.pipe()

    def first() -> str:
        program = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        os.write(writing, b"x")
        # The third starts when the second has ended.
        os.read(reading_again, 1)
        return program.communicate(b"alive")[0].decode()

    reading_again, writing_again = os.pipe()
    found = in_processes(
        {
            "first": doing(first),
            "second": doing(lambda: os.read(reading, 1).decode()),
            "third": doing(lambda: os.write(writing_again, b"x")),
        },
        NEVER,
        2,
    )
    assert [answers for answers, _why in found.values()] == [[{"got": "alive"}], [{"got": "x"}], [{"got": 1}]]
    for end in (reading, writing, reading_again, writing_again):
        os.close(end)


def test_without_prctl_a_layer_ends_with_its_group(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_prctl", lambda *_arguments: -1)
    monkeypatch.setattr(layers, "_children", set)

    def start_and_hang() -> Iterator[Answer]:
        program = subprocess.Popen(["sleep", "infinity"], stdin=subprocess.DEVNULL)
        os.write(late, b"x")
        yield {"started": program.pid}
        hang()

    ((answers, why),) = in_processes({"slow": start_and_hang}, NEVER, 1).values()
    assert why == "it took longer than 600 seconds"
    assert is_gone(answers[0]["started"])


def test_what_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.fork()
    if child == 0:
        hang()
    with monkeypatch.context() as patched:
        patched.setattr(layers, "GRACE_SECONDS", 0)
        for kill in ("kill", "killpg"):
            patched.setattr(layers.os, kill, lambda _pid, _signal: None)
        assert layers._end({child}, set()) == {child}
    assert layers._end({child}, set()) == set()


def test_an_answer_is_not_waited_for_longer_than_the_layer_lives() -> None:
    """A child of a layer that lives on has the layer's pipe open."""

    def fork() -> int:
        child = os.fork()
        if child == 0:
            hang()
        return child

    start = time.monotonic()
    ((answers, why),) = in_processes({"a": doing(fork)}, NEVER, 1).values()
    assert time.monotonic() - start < NEVER / 2
    assert why == ""
    assert is_gone(answers[0]["got"])


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; wait for what was killed to do so."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = bool(select.select([descriptor], [], [], 30)[0])
    os.close(descriptor)
    return ended


def test_what_a_layer_prints_and_reads_is_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def speak() -> str:
        subprocess.run(["echo", "loud"], check=True)
        os.write(1, b"louder")
        os.write(2, b"loudest")
        return os.read(0, 10).decode()

    assert in_processes({"a": doing(speak)}, NEVER, 1) == {"a": ([{"got": ""}], "")}
    assert capfd.readouterr() == ("", "")


def test_what_a_layer_sets_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir("/")
    before = os.umask(0o022)

    def leave() -> list[Any]:
        os.chdir(tmp_path)
        os.environ["EVENKEEL_TEST"] = "1"
        return [os.umask(0o077)]

    def look() -> list[Any]:
        return [os.umask(0o022), str(Path.cwd()), os.environ.get("EVENKEEL_TEST")]

    assert in_processes({"a": doing(leave), "b": doing(look)}, NEVER, 1)["b"] == ([{"got": [0o022, "/", None]}], "")
    assert os.umask(before) == 0o022
    assert "EVENKEEL_TEST" not in os.environ


def test_an_error_of_the_survey_itself_leaves_no_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(layers._Process, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_processes({"a": doing(hang), "b": answering({"n": 1})}, NEVER, 2)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("part", ["tempfile.mkdtemp", "os.pipe", "os.fork"])
def test_a_layer_that_does_not_start_fails_alone(part: str, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, function = getattr(layers, part.split(".")[0]), part.split(".")[1]
    real = getattr(module, function)
    calls = []

    def fails_second(*arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2 + (part == "os.pipe"):  # the first is for signals
            raise OSError(errno.EAGAIN, "no more")
        return real(*arguments, **named)

    monkeypatch.setattr(module, function, fails_second)
    found = in_processes({name: answering({"n": 1}) for name in "abc"}, NEVER, 1)
    assert found == {
        "a": ([{"n": 1}], ""),
        "b": ([], f"its process did not start: [Errno {errno.EAGAIN}] no more"),
        "c": ([{"n": 1}], ""),
    }
    assert list(temporary.iterdir()) == []


def test_no_layer_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers.os, "fork", fail(OSError("no more")))
    assert in_processes({"a": answering({})}, NEVER, 1) == {"a": ([], "its process did not start: no more")}


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    before = signal.signal(request.param, signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_to_the_module_ends_all_layers(number: signal.Signals, temporary: Path) -> None:
    def send_and_hang() -> None:
        os.kill(os.getppid(), number)
        hang()

    with pytest.raises(SystemExit) as raised:
        in_processes({"a": doing(hang), "b": doing(send_and_hang)}, NEVER, 2)
    assert raised.value.code == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL
    assert list(temporary.iterdir()) == []


def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    assert in_processes({"a": doing(lambda: os.kill(os.getppid(), number))}, NEVER, 1) == {"a": ([{"got": None}], "")}
    assert signal.getsignal(number) == signal.SIG_IGN


def test_layers_end_with_the_process_of_the_module(temporary: Path) -> None:
    """It is killed, and so ends none of them itself."""
    reading, writing = os.pipe()

    def start_and_hang() -> Iterator[Answer]:
        os.write(writing, json.dumps([os.getpid(), *start()]).encode() + b"\n")
        hang()
        yield {}

    module = os.fork()
    if module == 0:
        try:
            in_processes({"a": start_and_hang, "b": start_and_hang}, NEVER, 2)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        pids = [pid for _layer in "ab" for pid in json.loads(stream.readline())]
    os.kill(module, signal.SIGKILL)
    os.waitpid(module, 0)
    assert all(map(is_gone, pids))
    assert list(temporary.iterdir()) == []


def test_a_layer_without_the_module_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's process ended before the layer could ask for a signal at its end."""
    monkeypatch.setattr(layers.os, "getppid", lambda: 1)
    assert in_processes({"a": answering({})}, NEVER, 1) == {"a": ([], "its process ended early")}


def test_temporary_files_of_a_layer_go_with_it(late: int, temporary: Path) -> None:
    def leave_and_hang() -> Iterator[Answer]:
        os.write(late, b"x")
        yield {"left": tempfile.mkdtemp()}
        hang()

    def leave() -> Iterator[Answer]:
        yield {"left": tempfile.mkdtemp()}

    found = in_processes({"killed": leave_and_hang, "ends": leave}, NEVER, 1)
    assert all(answers[0]["left"].startswith(str(temporary)) for answers, _why in found.values())
    assert list(temporary.iterdir()) == []
