# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run a build as a stranger on a machine: without a network, without the user's files, within limits.

The programs of util-linux make namespaces of the kernel and, in them, a root directory that holds the system's
programs and libraries, read-only, and the directories of the build. Homes, sockets and the rest of /etc are not there.
The program has no capability, so what is read-only stays so, for root too; no keyring of the kernel; and no socket
but those that the namespace of networks holds.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import confined

#: Where programs are looked for, also those of util-linux.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: Where a machine has its CUDA toolkit, if it has one.
CUDA = "/usr/local/cuda"
#: What a build sees of the system, where it is there.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FILES = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")
_CHUNK_BYTES = 1 << 16
_POLL_SECONDS = 0.2
#: How long limits that the kernel does not hold go unwatched: at least so long, and so often as long as a look takes.
_UNWATCHED_SECONDS = 1.0
_UNWATCHED_TIMES = 10
_BLOCK_BYTES = 512
_DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
_NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child")
#: Settings of the kernel below /proc/sys, the value with which they forbid user namespaces, and whether to root too.
_FORBIDDING = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", False),
    ("kernel/unprivileged_userns_clone", "0", False),
    ("user/max_user_namespaces", "0", True),
)
#: The new root is a file system in memory at $1, and the command starts in $2. The rest: triples of ro or rw, a path
#: and where it is seen; then -- and the command.
_SCRIPT = r"""
set -eu
root=$1; directory=$2; shift 2
mount -t tmpfs -o mode=755,size=64m tmpfs "$root"
while [ "$1" != -- ]; do
    target=$root$3
    if [ -L "$2" ]; then
        mkdir -p "${target%/*}"; cp -P "$2" "$target"
    else
        if [ -d "$2" ]; then mkdir -p "$target"; else mkdir -p "${target%/*}"; : > "$target"; fi
        mount --rbind "$2" "$target"
        if [ "$1" = ro ]; then mount -o remount,bind,ro "$target"; fi
    fi
    shift 3
done
shift
mkdir -p "$root/proc" "$root/tmp" "$root/old"
chmod 1777 "$root/tmp"
mount -t proc -o ro proc "$root/proc"
ln -s /proc/self/fd "$root/dev/fd"
cd "$root"
pivot_root . old
umount -l /old
rmdir /old
cd "$directory"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@dataclass(frozen=True)
class Limits:
    """What a build may take."""

    seconds: float = 3600
    #: Of what it prints.
    output_bytes: int = 64 << 20
    #: Of the directories that it may write to.
    disk_bytes: int = 32 << 30
    #: At the same time.
    processes: int = 4096


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    status: int
    #: Why it was ended before its own end; empty when it was not.
    cut_short: str = ""


class Place:
    """Where builds run.

    Parameters
    ----------
    root
        An empty directory, on which the root directory of a build is mounted, for that build alone; None for no
        sandbox: programs see all that this machine's user sees.
    at
        Of the directories that a build sees elsewhere than where they are: where they are, by where it sees them.
    """

    #: For messages.
    name = "the control node"

    def __init__(self, root: Path | None, at: Mapping[str, str] | None = None) -> None:
        self._root, self._at = root, dict(at or {})

    def run(
        self,
        argv: Sequence[str],
        directory: Path,
        log: Path,
        variables: Mapping[str, str],
        *,
        writable: Iterable[Path] = (),
        readable: Iterable[Path] = (),
        limits: Limits | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Ended:
        """Run a program to its end, or to its limits; what it prints is appended to ``log``.

        Parameters
        ----------
        argv
            The program by its path, and its arguments.
        directory
            Where it starts: one of ``writable``, or below.
        variables
            All of its environment but ``CUDA_HOME``, which is set where there is a CUDA toolkit.
        writable, readable
            Directories that it sees beside the system.
        is_wanted
            Is asked again and again; where it says no, the program is ended.
        """
        own = [str(path) for path in writable]
        # A build goes with what started it, also where that is killed.
        command = ["setpriv", "--pdeathsig", "KILL"]
        command += argv if self._root is None else self._enclosed(argv, directory, own, readable)
        cuda = {"CUDA_HOME": CUDA} if os.path.isdir(CUDA) else {}
        watch = _Watch(limits or Limits(), is_wanted, [self._at.get(path, path) for path in own])
        with limited(FILE_BYTES), log.open("ab") as stream:
            process = subprocess.Popen(
                command,
                cwd=directory if self._root is None else "/",
                env={"PATH": PATH, **cuda, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
            )
            with process:
                try:
                    cut_short = _copied(process, stream, watch)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, 9)
        return Ended(process.returncode, cut_short)

    def bring(self, path: Path, directory: Path, most_bytes: int = 0) -> None:
        """Bring a file that a build wrote to this machine, where it is already."""

    def _enclosed(
        self, argv: Sequence[str], directory: Path, writable: Iterable[str], readable: Iterable[Path]
    ) -> list[str]:
        systems = tuple(f"{one}/" for one in _SYSTEM)
        seen = [str(path) for path in readable if not f"{path}/".startswith(systems)]
        places = [("ro", path) for path in (*_SYSTEM, *_FILES, *seen)]
        places += [("ro", point) for point in _mounted_below(path for _unused, path in places)]
        places += [("rw", path) for path in (*writable, *_DEVICES)]
        flat = []
        for how, path in places:
            if os.path.exists(self._at.get(path, path)):
                flat += [how, self._at.get(path, path), path]
        start = [sys.executable, "-I", "-S", "-c", inspect.getsource(confined), "unshare", *_NAMESPACES]
        return [*start, "/bin/sh", "-c", _SCRIPT, "sandbox", str(self._root), str(directory), *flat, "--", *argv]


def lacking(root: Path) -> str:
    """Return why there can be no sandbox on this machine; empty where there can.

    Parameters
    ----------
    root
        As of ``Place``.
    """
    log = root.with_name(f"{root.name}.log")
    try:
        ended = Place(root).run(["/bin/true"], Path("/usr"), log, {}, limits=Limits(seconds=60))
    except OSError as error:
        return f"{error.filename} can't be started: {error.strerror}"
    said = log.read_text(errors="replace").strip().splitlines()
    log.unlink()
    if ended.status == 0:
        return ""
    why = ended.cut_short or (said[-1] if said else f"status {ended.status}")
    settings = forbidding()
    return f"{why}, since {' and '.join(settings)} forbids it" if settings else why


def forbidding(settings: Path = Path("/proc/sys"), user: int | None = None) -> list[str]:
    """Return the settings of the kernel that keep user namespaces from a user, by default this process's own.

    >>> forbidding(Path("/nowhere"))
    []
    """
    is_root = (os.geteuid() if user is None else user) == 0
    found = []
    for name, value, also_root in _FORBIDDING:
        with contextlib.suppress(OSError):
            if (also_root or not is_root) and (settings / name).read_text(encoding="utf-8").strip() == value:
                found.append(f"{name.replace('/', '.')} = {value}")
    return found


def _mounted_below(directories: Iterable[str]) -> list[str]:
    """Return what is mounted below ``directories``: of a recursive mount, only the top gets read-only."""
    prefixes = tuple(f"{directory}/" for directory in directories)
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    points = (re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split(" ")[4]) for line in lines)
    return [point for point in points if point.startswith(prefixes)]


@dataclass
class _Watch:
    """Watches what a program takes that the kernel does not limit for it alone."""

    limits: Limits
    is_wanted: Callable[[], bool]
    directories: Sequence[str]
    next_look: float = field(default_factory=time.monotonic)

    def excess(self, leader: int) -> str:
        """Return what a program and all that it started take too much of; empty as long as it is not time to look."""
        begun = time.monotonic()
        if begun < self.next_look:
            return ""
        try:
            if _descendants(leader) > self.limits.processes:
                return f"it started more than {self.limits.processes} processes"
            if _bytes_below(self.directories, self.limits.disk_bytes) > self.limits.disk_bytes:
                return f"it wrote more than {self.limits.disk_bytes} bytes"
            return ""
        finally:
            ended = time.monotonic()
            self.next_look = ended + max(_UNWATCHED_SECONDS, _UNWATCHED_TIMES * (ended - begun))


def _descendants(leader: int) -> int:
    """Return how many processes descend from one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                after_name = Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2]
                children.setdefault(int(after_name.split()[1]), []).append(int(name))
    found, waiting = 0, [leader]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += len(below)
        waiting += below
    return found


def _bytes_below(directories: Iterable[str], most: int) -> int:
    """Return how much the files below directories take on their disk, counted until that is more than ``most``."""
    found, waiting = 0, list(directories)
    while waiting and found <= most:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return found


def _copied(process: subprocess.Popen[bytes], log: IO[bytes], watch: _Watch) -> str:
    """Copy what a program prints until its end; return why it has to be ended before, empty at its end."""
    pipe = cast("IO[bytes]", process.stdout).fileno()
    end, left = time.monotonic() + watch.limits.seconds, watch.limits.output_bytes
    while left > 0:
        if time.monotonic() > end:
            return f"it did not end within {watch.limits.seconds:.0f} seconds"
        if not watch.is_wanted():
            return "nobody waits for it"
        if excess := watch.excess(process.pid):
            return excess
        if not select.select([pipe], [], [], _POLL_SECONDS)[0]:
            if process.poll() is not None:  # what it has left behind keeps the pipe open
                return ""
            continue
        chunk = os.read(pipe, min(_CHUNK_BYTES, left))
        if not chunk:
            return ""
        log.write(chunk)
        left -= len(chunk)
    return f"it printed more than {watch.limits.output_bytes} bytes"
