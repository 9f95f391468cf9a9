# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A step of a build on a builder host: it gets files, runs a program in the sandbox, or hands over a file.

All of a build is in one private folder, which its last step removes. A step that runs while the connection breaks ends
its program and removes the folder; otherwise folders that nobody has used for a day go with the next build.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import sandbox
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.foreign_files import is_regular
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits, Place

BEGIN, RUN, TAKE, END = "begin", "run", "take", "end"
#: What is in a build's folder: the files that were sent last, all that were sent, and what is to be fetched.
SENT, TREES, LOG, TAKEN = "sent.tar.gz", "trees", "log", "taken"
STALE_SECONDS = 86400
STANDARD_OUTPUT = 1
_PREFIX = "from-control-node-"
_ROOT = "root"

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "step": {"type": "str", "required": True, "choices": [BEGIN, RUN, TAKE, END]},
    "folder": {"type": "path"},
    "removed": {"type": "list", "elements": "str", "default": []},
    "program": {"type": "dict", "default": {}},
    "path": {"type": "str"},
    "most_bytes": {"type": "int", "default": FILE_BYTES},
}
RULES: dict[str, Any] = {
    "required_if": [
        ("step", RUN, ("folder", "program")),
        ("step", TAKE, ("folder", "path")),
        ("step", END, ("folder",)),
    ]
}


def converge(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do a step of a build; in check mode nothing."""
    if check_mode:
        return {}
    if params["step"] == BEGIN:
        return _begin()
    folder = Path(params["folder"])
    if params["step"] == END and not folder.exists():
        return {}
    _require_own(folder)
    if params["step"] == END:
        _end(folder)
        return {}
    with _used(folder):
        if params["step"] == TAKE:
            return {"taken": _take(folder, params["path"], params["most_bytes"])}
        _unpack(folder, params["removed"])
        result = _run(folder, params["program"])
    if not _is_awaited():
        _end(folder)
    return result


def cache() -> Path:
    """Return where this user's builds run on this machine, and their logs are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "evenkeel" / "builds"


def _begin() -> dict[str, Any]:
    """Make a build's folder, and find out what this machine can do."""
    home = cache()
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # a build can leave programs that are set-uid
    for other in home.glob(f"{_PREFIX}*"):
        if time.time() - other.stat().st_mtime > STALE_SECONDS and not _is_used(other):
            shutil.rmtree(other, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
    (folder / _ROOT).mkdir()
    (folder / TREES).mkdir()
    library = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    return {
        "folder": str(folder),
        "no_sandbox": sandbox.lacking(folder / _ROOT),
        "glibc": (library or "").partition(" ")[2],
    }


def _end(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for directory in (folder.parent, folder.parent.parent):
        with contextlib.suppress(OSError):  # something else is in it
            directory.rmdir()


def _require_own(folder: Path) -> None:
    """Fail where something is not a build's folder."""
    if folder.parent != cache() or not folder.name.startswith(_PREFIX) or not folder.is_dir() or folder.is_symlink():
        raise EvenkeelError(f"{folder} is no folder of a build", "Let the lock be made again: it begins anew")


@contextlib.contextmanager
def _used(folder: Path) -> Iterator[None]:
    """Hold a build's folder, so that it does not count as left behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.utime(folder)
        yield
        os.utime(folder)
    finally:
        os.close(descriptor)


def _is_used(folder: Path) -> bool:
    try:
        with _used(folder):
            return False
    except OSError:
        return True


def _unpack(folder: Path, removed: list[str]) -> None:
    """Put what the control node has sent in its place, after what it has removed is gone."""
    for name in removed:
        path = folder / TREES / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    sent = folder / SENT
    if sent.exists():
        with tarfile.open(sent) as archive:
            archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # of the control node
            archive.extractall(folder / TREES)  # noqa: S202
        sent.unlink()


def _run(folder: Path, program: Mapping[str, Any]) -> dict[str, Any]:
    """Run a program in the sandbox; what it prints is in the folder's log."""
    (folder / LOG).unlink(missing_ok=True)
    at = {path: str(folder / TREES / name) for path, name in program["trees"].items()}
    ended = Place(folder / _ROOT, at).run(
        program["argv"],
        Path(program["directory"]),
        folder / LOG,
        program["variables"],
        writable=[Path(path) for path in program["writable"]],
        readable=[Path(path) for path in program["readable"]],
        limits=Limits(**program["limits"]),
        is_wanted=_is_awaited,
    )
    return {"status": ended.status, "cut_short": ended.cut_short}


def _is_awaited() -> bool:
    """Return whether somebody reads what this module will print: a connection that breaks closes its pipe."""
    poll = select.poll()
    poll.register(STANDARD_OUTPUT, 0)
    return not any(event & (select.POLLERR | select.POLLHUP) for _unused, event in poll.poll(0))


def _take(folder: Path, name: str, most_bytes: int) -> bool:
    """Copy a file that a build wrote to where it is fetched; return whether it is one, its own, and not larger."""
    path, target = folder / TREES / name, folder / TAKEN
    target.unlink(missing_ok=True)
    if not is_regular(path) or path.resolve() != path or path.stat().st_size > most_bytes:
        return False
    shutil.copyfile(path, target)
    return True
