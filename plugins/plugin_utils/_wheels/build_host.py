# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Build on a host of the inventory what the control node can't build.

The control node fetches all that a build needs and sends it as files; the host runs the project's code, in the sandbox
in which the control node would run it, where it sees all files at their paths on the control node.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from ansible.errors import AnsibleError
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import wheel_build
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Ended, Limits
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import warn

#: The variable of lock.yml.
VARIABLE = "lock_build_host"
_KEY_DIGITS = 16


class Host(Protocol):
    """A host of the inventory, to which Ansible connects."""

    name: str

    def uname(self) -> str:
        """Return the kernel's name and the machine's, such as ``Linux x86_64``."""

    def python_problem(self) -> str:
        """Return why modules can't run there, with the way out; empty where they can."""

    def step(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Run the module ``wheel_build`` there; return its result."""

    def send(self, path: str, target: str) -> None:
        """Copy a file to the host."""

    def fetch(self, path: str, target: str) -> None:
        """Copy a file from the host."""

    def close(self) -> None:
        """End the connection."""


def where(platform: str, here: str, named: str | Mapping[str, str], *, sandbox: bool) -> str:
    """Return the host that builds for a platform; empty for the control node.

    Parameters
    ----------
    platform
        conda's name of what the lock is for.
    here
        That of the control node; empty where it has none that nodes have.
    named
        The hosts by platform; or one for what the control node can't build.
    sandbox
        Whether the control node has one.

    >>> where("linux-aarch64", "linux-64", "builder01", sandbox=True)
    'builder01'
    >>> where("linux-64", "linux-64", "builder01", sandbox=True)
    ''
    """
    if isinstance(named, Mapping):
        return named.get(platform, "")
    return "" if platform == here and sandbox else named


def checked(named: object, known: Mapping[str, Any]) -> str | dict[str, str]:
    """Return the builder hosts that a variable names.

    Parameters
    ----------
    named
        The variable's value.
    known
        Has each host of the inventory as a key.

    Raises
    ------
    EvenkeelError
        It is something else, or names a platform or a host that is not known.
    """
    hosts: dict[Any, Any] = dict(named) if isinstance(named, Mapping) else {"": named or ""}
    others = [repr(one) for one in (*hosts.keys(), *hosts.values()) if not isinstance(one, str)]
    others += [one for one in hosts if isinstance(one, str) and one and one not in PLATFORMS.values()]
    if others:
        raise EvenkeelError(
            f"{VARIABLE} has {', '.join(others)}",
            f"Name a host of the inventory, or one for each platform: {{{min(PLATFORMS.values())}: builder01}}. The "
            f"platforms are {', '.join(sorted(PLATFORMS.values()))}",
        )
    missing = sorted({host for host in hosts.values() if host and host not in known})
    if missing:
        raise EvenkeelError(
            f"{VARIABLE} names {', '.join(missing)}, which the inventory does not have",
            "Add the host to the inventory, or correct its name",
        )
    return hosts if isinstance(named, Mapping) else str(hosts[""])


class BuildHosts:
    """The builder hosts of a lock: none of them is asked before something has to be built.

    Parameters
    ----------
    named
        As of ``where``.
    platforms
        What is locked.
    connect
        Returns a host by its name.
    """

    def __init__(
        self, named: str | Mapping[str, str], platforms: Iterable[str], connect: Callable[[str], Host]
    ) -> None:
        self._named, self._platforms, self._connect = named, tuple(platforms), connect
        self._open: dict[str, tuple[Host, dict[str, Any]]] = {}
        self._stack = contextlib.ExitStack()

    def for_platform(self, platform: str, here: str, *, sandbox: bool) -> BuildHost | None:
        """Return the host that builds for a platform; None for the control node.

        Raises
        ------
        EvenkeelError
            One of the hosts that build for this lock can't.
        """
        for one in self._platforms:
            name = where(one, here, self._named, sandbox=sandbox)
            if name and one not in self._open:
                self._open[one] = self._begun(name, one)
        if platform not in self._open:
            return None
        host, begun = self._open[platform]
        return BuildHost(host, begun["folder"], begun["glibc"])

    def close(self) -> None:
        """Remove what builds have left, and end the connections."""
        self._stack.close()
        self._open.clear()

    def _begun(self, name: str, platform: str) -> tuple[Host, dict[str, Any]]:
        """Return a host and what it says of itself, after it is known that it can build for a platform."""
        what = f"The builder host {name} ({VARIABLE})"
        with _reached(name):
            host = self._connect(name)
            self._stack.callback(host.close)
            uname = host.uname()
            if PLATFORMS.get(uname.removeprefix("Linux ")) != platform:
                machine = next(machine for machine, its in PLATFORMS.items() if its == platform)
                raise EvenkeelError(
                    f"{what} is {uname or 'no Linux'}, and builds for {platform} run on Linux {machine}",
                    "Name a host of that architecture for that platform",
                )
            if problem := host.python_problem():
                raise EvenkeelError(f"{what} can't run modules", problem)
            begun = host.step({"step": wheel_build.BEGIN})
            self._stack.callback(_end, host, begun["folder"])
        if begun["no_sandbox"]:
            raise EvenkeelError(
                f"{what} has no sandbox to build wheels in: {begun['no_sandbox']}",
                "Allow user namespaces there and install util-linux, connect to it as root, or name another host",
            )
        if not begun["glibc"]:
            raise EvenkeelError(f"{what} has no glibc, which conda's packages need", "Name another host")
        return host, begun


def _end(host: Host, folder: str) -> None:
    """Remove what a build has left; where that fails, the build itself did not."""
    try:
        with _reached(host.name):
            host.step({"step": wheel_build.END, "folder": folder})
    except EvenkeelError as error:
        warn(f"{folder} on {host.name} could not be removed; the next build there removes it, a day later. {error}")


@contextlib.contextmanager
def _reached(name: str) -> Iterator[None]:
    """Turn an error of a connection into one that says which host it is."""
    try:
        yield
    except AnsibleError as error:
        why = " ".join(str(error).split())
        full = os.strerror(errno.ENOSPC) in why
        raise EvenkeelError(
            f"The builder host {name} ({VARIABLE}) can't be used: {why}",
            f"Free space on {name}, also in /tmp" if full else f"Check that `ansible -m ping {name}` works",
        ) from error


class BuildHost:
    """Where builds run on a builder host; has what ``sandbox.Place`` has.

    Parameters
    ----------
    folder
        Of this build alone, on the host.
    glibc
        The host's own version.
    """

    def __init__(self, host: Host, folder: str, glibc: str) -> None:
        self.glibc, self.name = glibc, host.name
        self._host, self._folder = host, folder
        #: Of each directory, the files that the host has, and what they were when they were sent.
        self._sent: dict[str, dict[str, tuple[int, ...]]] = {}

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
        """Run a program there, see ``sandbox.Place.run``; what it writes stays there."""
        writable, readable = list(writable), list(readable)
        with _reached(self.name), tempfile.TemporaryDirectory() as temporary:
            # What a build can write to is sent before it runs: later, files could be written through links of its own.
            new = [path for path in writable if _key(path) not in self._sent]
            removed = self._send([*new, *readable], Path(temporary) / wheel_build.SENT)
            program = {
                "argv": list(argv),
                "directory": str(directory),
                "variables": dict(variables),
                "writable": [str(path) for path in writable],
                "readable": [str(path) for path in readable],
                "trees": {str(path): _key(path) for path in (*writable, *readable)},
                "limits": asdict(limits or Limits()),
            }
            ended = self._step(step=wheel_build.RUN, removed=removed, program=program)
            printed = Path(temporary) / wheel_build.LOG
            self._host.fetch(f"{self._folder}/{wheel_build.LOG}", str(printed))
            with log.open("ab") as stream, printed.open("rb") as source:
                shutil.copyfileobj(source, stream)
        return Ended(ended["status"], ended["cut_short"])

    def bring(self, path: Path, directory: Path, most_bytes: int = FILE_BYTES) -> None:
        """Copy a file that a build wrote below one of its directories to the same place here; if it is one."""
        path.unlink(missing_ok=True)
        name = f"{_key(directory)}/{path.relative_to(directory)}"
        with _reached(self.name):
            if self._step(step=wheel_build.TAKE, path=name, most_bytes=most_bytes)["taken"]:
                self._host.fetch(f"{self._folder}/{wheel_build.TAKEN}", str(path))

    def _step(self, **options: Any) -> dict[str, Any]:
        return self._host.step({"folder": self._folder, **options})

    def _send(self, directories: Iterable[Path], archive: Path) -> list[str]:
        """Send what has changed since it was sent; return what the host has to remove."""
        removed: list[str] = []
        with tarfile.open(archive, "w:gz", compresslevel=1) as stream:
            for directory in directories:
                key = _key(directory)
                before, now = self._sent.get(key, {}), dict(_files(directory))
                removed += [f"{key}/{name}" for name, what in before.items() if now.get(name) != what]
                for name in now:
                    if before.get(name) != now[name]:
                        stream.add(directory / name, f"{key}/{name}", recursive=False, filter=_as_own)
                self._sent[key] = now
        self._host.send(str(archive), f"{self._folder}/{wheel_build.SENT}")
        return removed


def _key(directory: Path) -> str:
    """Return the name of a directory of this machine on the host."""
    return hashlib.sha256(str(directory).encode()).hexdigest()[:_KEY_DIGITS]


def _as_own(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owns a file here."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _files(directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Return the files and directories below one, itself first, each with what differs when it is another."""
    yield ".", ()
    for folder, folders, files in os.walk(directory):
        for name in sorted((*folders, *files)):
            found = os.lstat(os.path.join(folder, name))
            what: tuple[int, ...] = (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)
            if stat.S_ISDIR(found.st_mode):
                what = ()
            yield os.path.relpath(os.path.join(folder, name), directory), what
