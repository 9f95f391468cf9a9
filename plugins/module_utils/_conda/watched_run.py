# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run conda and uv, which set no limit to what a server sends, and watch their downloads in their caches."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import limited
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import (
    MOST_BYTES,
    SLACK_BYTES,
    Pace,
    most_bytes,
    too_much,
)

POLL_SECONDS = 0.5
#: How many bytes a byte of a wheel may become when it is unpacked.
EXPANSION = 20
_ADVICE = ": check the mirror, or choose another one"


@dataclass(frozen=True)
class Seen:
    """What a program is downloading, as far as its cache shows it."""

    #: By URL or path, the bytes that are there.
    unfinished: Mapping[str, int] = field(default_factory=dict)
    #: What is downloading, for people; the keys of ``unfinished`` when empty.
    what: str = ""
    #: What is more than it may be.
    outgrown: str = ""


def seen_of_conda(cache: str, packages: Iterable[Package]) -> Seen:
    """Look at the archives that conda has not finished; it checks them when they are whole."""
    unfinished, outgrown = {}, ""
    for package in packages:
        with contextlib.suppress(OSError):
            size = os.stat(partial_of_conda(cache, package)).st_size
            unfinished[package.url] = size
            if size > most_bytes(package.size):
                outgrown = too_much(package.url, most_bytes(package.size))
    return Seen(unfinished, outgrown=outgrown)


def partial_of_conda(cache: str, package: Package) -> str:
    """Return where conda keeps what it has of an archive."""
    return os.path.join(cache, package.url.rpartition("/")[2] + ".partial")


def seen_of_uv(cache: str, packages: Sequence[Package], index: str) -> Seen:
    """Look at the wheels that uv is unpacking while they come; it checks them when all has come."""
    most = sum(package.size * EXPANSION + SLACK_BYTES if package.size else MOST_BYTES for package in packages)
    unfinished = {path: size_below(path) for path in unfinished_below(cache)}
    names = ", ".join(package.name for package in packages)
    what = "%s from %s" % (names, index or "the index that uv is configured to ask")
    outgrown = too_much(what + ", unpacked,", most) if sum(unfinished.values()) > most else ""
    return Seen(unfinished, what, outgrown)


def unfinished_below(cache: str) -> list[str]:
    """Return the directories, hidden ones, that a program is unpacking packages into, or a killed one was."""
    with contextlib.suppress(FileNotFoundError), os.scandir(cache) as entries:
        return [entry.path for entry in entries if entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)]
    return []


def size_below(path: str) -> int:
    """Return the bytes of all files below a directory that may be changing."""
    size = 0
    for folder, _folders, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


def run(
    argv: Sequence[str],
    variables: Mapping[str, str],
    lock: int,
    timeout: float,
    look: Callable[[], Seen] = Seen,
) -> tuple[int, str, str]:
    """Run a program to its end, or until what it downloads is too much or too slow; return status, output and error.

    Parameters
    ----------
    argv, variables
        The command, and what it gets besides this process's environment.
    lock
        A descriptor that the program inherits.
    timeout
        How many seconds its downloads may be too slow.
    look
        Returns what it is downloading.
    """
    with (
        limited(),
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as err,
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **variables},
            pass_fds=[lock],
        ) as process,
    ):
        try:
            complaint = next(filter(None, _complaints(process, timeout, look)), "")
        finally:
            process.kill()
        status = process.wait()
        out.seek(0)
        err.seek(0)
        return (status or 1, "", complaint) if complaint else (status, out.read(), err.read())


def _complaints(process: subprocess.Popen[bytes], timeout: float, look: Callable[[], Seen]) -> Iterator[str]:
    """Yield what is wrong with the program's downloads, empty where nothing is, until it ends."""
    pace = Pace(timeout, time.monotonic())
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            return
        seen = look()
        now = time.monotonic()
        pace.note(sum(seen.unfinished.values()), frozenset(seen.unfinished), now)
        if seen.outgrown:
            yield seen.outgrown + _ADVICE
        elif seen.unfinished and now > pace.deadline:
            yield "%s %s%s" % (seen.what or ", ".join(seen.unfinished), pace.complaint(), _ADVICE)
        elif not seen.unfinished:
            pace.restart(now)
