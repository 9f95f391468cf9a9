# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Functions run in child processes with a user's rights and no others, within limits of time, memory and answer.

A user's files may hang, be endless or be crafted: a home on a dead NFS server, a file system of the user's own making.
The child gives up root for good, so that neither the user nor a mistake can get it back; the module waits only for the
answer, and only for a limited time.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: How many users are looked at side by side: one home that hangs keeps few others waiting.
AT_ONCE = 8
#: What a child may have on top of the module's own memory, and how large a file it may write.
MOST_MEMORY = 512 << 20
LARGEST_FILE = 64 << 20
#: How long a killed child may take to go; one that waits for a dead file server does not, and is left behind.
GRACE_SECONDS = 1.0
_PR_SET_DUMPABLE = 4

Job = tuple[pwd.struct_passwd, Callable[[], Any]]


class Failed(EvenkeelError):
    """A function that gave no answer.

    Parameters
    ----------
    user
        Whose rights it had.
    reason
        What failed, on what.
    remedy
        What to do about it.
    """

    def __init__(self, user: str, reason: str, remedy: str) -> None:
        super().__init__("%s: %s" % (user, reason), remedy)
        self.user = user
        self.reason = reason


@dataclass
class _Child:
    """A child process, and what it has answered so far."""

    place: int
    user: pwd.struct_passwd
    pid: int
    pipe: int
    deadline: float
    answer: bytearray = field(default_factory=bytearray)
    #: Why it was killed.
    failure: Failed | None = None
    gone: bool = False


def call(
    user: pwd.struct_passwd,
    function: Callable[[], Any],
    *,
    seconds: float,
    most_bytes: int,
    umask: int = 0o077,
) -> Any:
    """Run a function with a user's rights, and return its answer.

    Parameters
    ----------
    user
        An account; where the module is not root, only its own.
    function
        Returns what JSON can hold; text may hold surrogate escapes. It runs after a fork, so in a module with threads
        it must not need a lock that another thread may hold.
    seconds
        How long it may take.
    most_bytes
        How large the answer may be, as JSON.
    umask
        The function's.

    Raises
    ------
    Failed
        It gave no answer, or itself raised an error.
    """
    (answer,) = call_each([(user, function)], seconds=seconds, most_bytes=most_bytes, umask=umask)
    if isinstance(answer, Failed):
        raise answer
    return answer


def call_each(
    jobs: Iterable[Job],
    *,
    seconds: float,
    most_bytes: int,
    total_seconds: float | None = None,
    umask: int = 0o077,
    at_once: int = AT_ONCE,
) -> list[Any]:
    """Run functions, each with its user's rights, several at a time, and return their answers in order.

    Parameters
    ----------
    jobs
        Users and functions.
    seconds, most_bytes, umask
        As for ``call``, for each of them.
    total_seconds
        How long all may take together; None is as long as each one may.
    at_once
        How many may run at a time.

    Returns
    -------
    list[Any]
        For each job its answer, or a ``Failed``.
    """
    waiting = list(enumerate(jobs))[::-1]
    answers: list[Any] = [None] * len(waiting)
    end = float("inf") if total_seconds is None else time.monotonic() + total_seconds
    running: dict[int, _Child] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            place, (user, function) = waiting.pop()
            if time.monotonic() >= end:
                answers[place] = _not_reached(user, total_seconds)
                continue
            try:
                child = _start(place, user, function, min(seconds, end - time.monotonic()), most_bytes, umask)
            except Failed as error:
                answers[place] = error
                continue
            running[child.pipe] = child
        for child in _wait(list(running.values()), seconds, most_bytes):
            del running[child.pipe]
            answers[child.place] = _end(child)
    return answers


def _start(
    place: int, user: pwd.struct_passwd, function: Callable[[], Any], seconds: float, most_bytes: int, umask: int
) -> _Child:
    if os.geteuid() not in (0, user.pw_uid):
        raise Failed(
            user.pw_name,
            "only root can look at what belongs to %s" % user.pw_name,
            "Run this as root (become: true), or name only yourself",
        )
    # Asked before the fork: a name service may have threads of its own in this process.
    groups = os.getgrouplist(user.pw_name, user.pw_gid) if os.geteuid() == 0 else None
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _confine(user, groups, writing, seconds, umask)
            _tell(writing, _answer(function, most_bytes))
        finally:
            os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    return _Child(place, user, pid, reading, time.monotonic() + seconds)


def _confine(user: pwd.struct_passwd, groups: Sequence[int] | None, pipe: int, seconds: float, umask: int) -> None:
    """Keep nothing of the module's, and nothing of root."""
    os.setsid()
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE", "SIGALRM", "SIGCHLD"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # It ends even where the module was killed meanwhile.
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_SECONDS)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != pipe:
            with contextlib.suppress(OSError):
                os.close(int(name))
    with open("/proc/self/statm", encoding="ascii") as stream:
        size = int(stream.read().split()[0]) * resource.getpagesize()
    for kind, most in (
        (resource.RLIMIT_AS, size + MOST_MEMORY),
        (resource.RLIMIT_CPU, int(seconds) + 2),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    if groups is not None:
        os.setgroups(groups)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        # The module's options may be secret, and fs.suid_dumpable=1 would have the user read them in this process.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(umask)
    os.chdir("/")
    path = os.environ.get("PATH", os.defpath)
    os.environ.clear()
    os.environ.update(PATH=path, LANG="C.UTF-8", HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)


def _answer(function: Callable[[], Any], most_bytes: int) -> bytes:
    """Return what the function answers, or why it does not, as JSON."""
    try:
        answer = json.dumps({"answer": function()}).encode()
        if len(answer) <= most_bytes:
            return answer
        what, remedy = "there is more than %d bytes of it" % most_bytes, ""
    except EvenkeelError as error:
        what, remedy = error.what, error.remedy
    except OSError as error:
        what, remedy = "%s%s" % ("%s: " % error.filename if error.filename else "", error.strerror), ""
    except MemoryError:
        what, remedy = "it takes more than %d MiB of memory" % (MOST_MEMORY >> 20), ""
    except Exception as error:  # what a user owns must not fail a node, whatever it made of our code
        what, remedy = "%s: %s" % (type(error).__name__, error), ""
    return json.dumps({"failed": [what, remedy]}).encode()


def _tell(pipe: int, answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _wait(children: Sequence[_Child], seconds: float, most_bytes: int) -> list[_Child]:
    """Read from children until something is to be done about some of them, and return those that are done."""
    if not children:
        return []
    poll = select.poll()
    for child in children:
        poll.register(child.pipe, select.POLLIN)
    patience = max(0.0, min(child.deadline for child in children) - time.monotonic())
    ready = {pipe for pipe, _unused in poll.poll(patience * 1000 + 1)}
    done = []
    for child in children:
        more = _more(child.pipe) if child.pipe in ready else None
        child.answer += more or b""
        if more == b"":
            child.gone = True
            done.append(child)
        elif len(child.answer) > most_bytes + 1024 and not child.failure:
            _kill(child, "there is more than %d bytes of it" % most_bytes)
        elif time.monotonic() >= child.deadline:
            if child.failure:
                done.append(child)  # it waits for what never comes, and is left behind
            else:
                _kill(child, "there was no answer within %g s; a file system in it may hang" % seconds)
    return done


def _more(pipe: int) -> bytes | None:
    """Return what there is to read: nothing where the child is gone, None where there is nothing yet."""
    try:
        return os.read(pipe, 1 << 16)
    except BlockingIOError:
        return None


def _kill(child: _Child, reason: str) -> None:
    child.failure = Failed(child.user.pw_name, "%s: %s" % (child.user.pw_dir, reason), "Look at it on the node")
    child.answer.clear()
    child.deadline = time.monotonic() + GRACE_SECONDS
    _signal(child)


def _signal(child: _Child) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child.pid, signal.SIGKILL)


def _end(child: _Child) -> Any:
    """Return a child's answer, or why there is none."""
    os.close(child.pipe)
    # What it has started goes with it.
    _signal(child)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child.pid, 0 if child.gone else os.WNOHANG)
    if child.failure:
        return child.failure
    try:
        message = json.loads(child.answer)
        if "failed" not in message:
            return message["answer"]
        what, remedy = message["failed"]
    except (ValueError, KeyError, RecursionError):
        what, remedy = "what was to look at %s ended without an answer" % child.user.pw_dir, ""
    return Failed(child.user.pw_name, what, remedy or "Look at it on the node")


def _not_reached(user: pwd.struct_passwd, total_seconds: float | None) -> Failed:
    return Failed(
        user.pw_name,
        "%s was not looked at: the homes of others took %g s" % (user.pw_dir, total_seconds or 0),
        "See which homes hang, and run this again",
    )
