# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run a build as a stranger on the control node: without a network, without the user's files, within limits.

The programs of util-linux make namespaces of the kernel and, in them, a root directory that holds the system's
programs and libraries, read-only, and the directories of the build. Homes, sockets and the rest of /etc are not there.
The program has no capability, so what is read-only stays so, for root too; and no keyring of the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import confined

#: Where programs are looked for, also those of util-linux.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: What a build sees of the system, where it is there.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FILES = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")
_CHUNK_BYTES = 1 << 16
_POLL_SECONDS = 0.2
_DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
_NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child")
#: The new root is a file system in memory at $1. The rest: pairs of ro or rw and a path, then -- and the command.
_SCRIPT = r"""
set -eu
root=$1; shift
mount -t tmpfs -o mode=755,size=64m tmpfs "$root"
while [ "$1" != -- ]; do
    target=$root$2
    if [ -L "$2" ]; then
        mkdir -p "${target%/*}"; cp -P "$2" "$target"
    else
        if [ -d "$2" ]; then mkdir -p "$target"; else mkdir -p "${target%/*}"; : > "$target"; fi
        mount --rbind "$2" "$target"
        if [ "$1" = ro ]; then mount -o remount,bind,ro "$target"; fi
    fi
    shift 2
done
shift
mkdir -p "$root/proc" "$root/tmp" "$root/old"
chmod 1777 "$root/tmp"
mount -t proc -o ro proc "$root/proc"
ln -s /proc/self/fd "$root/dev/fd"
cwd=$PWD
cd "$root"
pivot_root . old
umount -l /old
rmdir /old
cd "$cwd"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@dataclass(frozen=True)
class Limits:
    """What a build may take."""

    seconds: float = 3600
    #: Of what it prints.
    output_bytes: int = 64 << 20


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
        sandbox: programs see all that the control node's user sees.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root

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
    ) -> Ended:
        """Run a program to its end, or to its limits; what it prints is appended to ``log``.

        Parameters
        ----------
        argv
            The program by its path, and its arguments.
        directory
            Where it starts: one of ``writable``, or below.
        variables
            All of its environment.
        writable, readable
            Directories that it sees beside the system.
        """
        # A build goes with what started it, also where that is killed.
        command = ["setpriv", "--pdeathsig", "KILL"]
        command += argv if self._root is None else self._enclosed(argv, writable, readable)
        with limited(FILE_BYTES), log.open("ab") as stream:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env={"PATH": PATH, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
            )
            with process:
                try:
                    cut_short = _copied(process, stream, limits or Limits())
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, 9)
        return Ended(process.returncode, cut_short)

    def _enclosed(self, argv: Sequence[str], writable: Iterable[Path], readable: Iterable[Path]) -> list[str]:
        systems = tuple(f"{one}/" for one in _SYSTEM)
        seen = [str(path) for path in readable if not f"{path}/".startswith(systems)]
        places = [("ro", path) for path in (*_SYSTEM, *_FILES, *seen) if os.path.exists(path)]
        places += [("ro", point) for point in _mounted_below(path for _unused, path in places)]
        places += [("rw", path) for path in (*map(str, writable), *_DEVICES) if os.path.exists(path)]
        flat = [part for place in places for part in place]
        start = [sys.executable, "-I", "-S", confined.__file__, "unshare", *_NAMESPACES]
        return [*start, "/bin/sh", "-c", _SCRIPT, "sandbox", str(self._root), *flat, "--", *argv]


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
    return "" if ended.status == 0 else ended.cut_short or (said[-1] if said else f"status {ended.status}")


def _mounted_below(directories: Iterable[str]) -> list[str]:
    """Return what is mounted below ``directories``: of a recursive mount, only the top gets read-only."""
    prefixes = tuple(f"{directory}/" for directory in directories)
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    points = (re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split(" ")[4]) for line in lines)
    return [point for point in points if point.startswith(prefixes)]


def _copied(process: subprocess.Popen[bytes], log: IO[bytes], limits: Limits) -> str:
    """Copy what a program prints until its end; return why it has to be ended before, empty at its end."""
    pipe = cast("IO[bytes]", process.stdout).fileno()
    end, left = time.monotonic() + limits.seconds, limits.output_bytes
    while left > 0:
        if time.monotonic() > end:
            return f"it did not end within {limits.seconds:.0f} seconds"
        if not select.select([pipe], [], [], _POLL_SECONDS)[0]:
            if process.poll() is not None:  # what it has left behind keeps the pipe open
                return ""
            continue
        chunk = os.read(pipe, min(_CHUNK_BYTES, left))
        if not chunk:
            return ""
        log.write(chunk)
        left -= len(chunk)
    return f"it printed more than {limits.output_bytes} bytes"
