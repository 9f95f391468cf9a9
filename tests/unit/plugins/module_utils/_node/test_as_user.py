# SPDX-License-Identifier: GPL-3.0-or-later
"""What a function with a user's rights can't do: keep the module waiting, flood it, or get root back."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_user
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ME = pwd.getpwuid(os.geteuid())
NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
#: Long enough for the slowest machine where an answer is awaited.
PATIENCE = 60


def call(function: Callable[[], Any], user: pwd.struct_passwd = ME, seconds: float = PATIENCE) -> Any:
    return as_user.call(user, function, seconds=seconds, most_bytes=10_000)


def fail(error: BaseException) -> Callable[[], Any]:
    def function() -> Any:
        raise error

    return function


def wait_for_ever() -> None:
    threading.Event().wait()


def ignore_the_end() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    wait_for_ever()


@pytest.mark.parametrize("answer", [None, 1, ["a", {"b": None}], "caf\udce9 \x1b[2K é \0", {"": []}])
def test_an_answer_comes_back_as_it_was(answer: Any) -> None:
    assert call(lambda: answer) == answer


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        pytest.param(fail(EvenkeelError("/x is odd", "Fix it")), "/x is odd", id="our error"),
        pytest.param(fail(OSError(5, "Input/output error", "/x")), "/x: Input/output error", id="error of the system"),
        pytest.param(fail(ValueError("caf\udce9")), "ValueError: caf\udce9", id="another error"),
        pytest.param(lambda: b"bytes", "TypeError: Object of type bytes is not JSON serializable", id="no JSON"),
        pytest.param(lambda: b"x" * (1 << 30), "it takes more than 512 MiB of memory", id="memory"),
        pytest.param(lambda: "x" * 10_000, "there is more than 10000 bytes of it", id="large answer"),
        pytest.param(lambda: os._exit(0), "ended without an answer", id="no answer"),
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGKILL), "ended without an answer", id="killed"),
    ],
)
def test_what_fails_is_told_with_its_user(function: Callable[[], Any], reason: str) -> None:
    with pytest.raises(as_user.Failed) as caught:
        call(function)
    assert reason in caught.value.reason
    assert caught.value.user == ME.pw_name
    assert str(caught.value).startswith(f"{ME.pw_name}: ")


def children() -> set[str]:
    """Return the processes of this one, of which other tests may have left some."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


@pytest.mark.parametrize("function", [wait_for_ever, ignore_the_end, lambda: os.kill(os.getpid(), signal.SIGSTOP)])
def test_what_hangs_is_ended(function: Callable[[], Any]) -> None:
    before = children()
    with pytest.raises(as_user.Failed, match=r"there was no answer within 0\.2 s"):
        call(function, seconds=0.2)
    assert children() == before


def test_a_flood_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(pipe: int, *_: object) -> None:
        while True:
            os.write(pipe, b"x" * 65536)

    monkeypatch.setattr(as_user, "_tell", flood)
    with pytest.raises(as_user.Failed, match="there is more than 10000 bytes of it"):
        call(lambda: None)


def test_what_cannot_be_killed_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    real, children = as_user._signal, []
    monkeypatch.setattr(as_user, "_signal", children.append)
    monkeypatch.setattr(as_user, "GRACE_SECONDS", 0.1)
    with pytest.raises(as_user.Failed, match="there was no answer within"):
        call(ignore_the_end, seconds=0.1)
    real(children[0])
    os.waitpid(children[0].pid, 0)


def test_one_that_hangs_keeps_no_other(tmp_path: Path) -> None:
    others_are_done = tmp_path / "done"

    def hang() -> str:
        while not others_are_done.exists():
            pass
        return "at last"

    jobs = [(ME, hang)] * (as_user.AT_ONCE - 1) + [(ME, lambda: None)] * 20 + [(ME, others_are_done.touch)]
    answers = as_user.call_each(jobs, seconds=PATIENCE, most_bytes=100)
    assert answers == ["at last"] * (as_user.AT_ONCE - 1) + [None] * 21


def test_all_together_have_an_end() -> None:
    answers = as_user.call_each([(ME, wait_for_ever)] * 20, seconds=PATIENCE, most_bytes=100, total_seconds=0.2)
    reported = ["was not looked at" in answer.reason for answer in answers]
    assert reported == sorted(reported)
    assert sum(reported) >= 20 - as_user.AT_ONCE


@needs_root
def test_root_is_gone_for_good(tmp_path: Path) -> None:
    def look() -> dict[str, Any]:
        status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
        try:
            os.setuid(0)
            back = True
        except PermissionError:
            back = False
        return {"back": back, "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(), **status}

    seen = call(look, NOBODY)
    assert not seen["back"]
    assert seen["ids"] == [NOBODY.pw_uid] * 3 + [NOBODY.pw_gid] * 3
    assert seen["groups"] == os.getgrouplist("nobody", NOBODY.pw_gid)
    assert {seen[name] for name in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert os.geteuid() == 0


@needs_root
def test_others_of_the_user_cannot_look_into_the_child() -> None:
    # What the module has in memory, a token perhaps, is there after the fork as well.
    assert call(lambda: Path("/proc/self/mem").stat().st_uid, NOBODY) == 0


def test_nothing_of_the_module_is_left_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    with Path(os.devnull).open() as kept:
        seen = call(
            lambda: {
                "environment": dict(os.environ),
                "files": [str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(3)],
                "kept": Path(f"/proc/self/fd/{kept.fileno()}").exists(),
                "folder": str(Path.cwd()),
                "umask": os.umask(0),
                "file": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
            }
        )
    assert seen["environment"] == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": ME.pw_dir,
        "USER": ME.pw_name,
        "LOGNAME": ME.pw_name,
    }
    assert seen["files"] == [os.devnull] * 3
    assert not seen["kept"]
    assert (seen["folder"], seen["umask"], seen["file"]) == ("/", 0o077, as_user.LARGEST_FILE)


def test_what_it_started_goes_with_it() -> None:
    def start() -> int:
        pid = os.fork()
        if pid == 0:
            os.closerange(3, 100)
            wait_for_ever()
        return pid

    pid = call(start)
    with suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
            pass


def test_who_is_not_root_acts_as_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ME.pw_uid + 1)
    with pytest.raises(as_user.Failed, match="only root can look at what belongs to"):
        call(lambda: None)
