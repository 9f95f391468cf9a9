# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What VS Code finds in a user's home: settings of this machine, conda's list of environments, links to a server.

All of it is read and written with that user's rights and no more, and within limits.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_user, user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import link_atomically, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept

SERVER = ".vscode-server"
SETTINGS = SERVER + "/data/Machine/settings.json"
#: Read by conda, and by the extension's finder: crates/pet-conda/src/environment_locations.rs of
#: microsoft/python-environment-tools (2024), get_conda_envs_from_environment_txt.
ENVIRONMENTS = ".conda/environments.txt"
FILES = (SETTINGS, ENVIRONMENTS)
LARGEST = 256 << 10
#: How much of a difference is shown, and how long the answer for one user may be.
MOST_SHOWN = 4096
MOST_OF_USER = 128 << 10
#: How long one home, and all of them, may take.
SECONDS = 10.0
TOTAL_SECONDS = 60.0


@dataclass(frozen=True)
class Wish:
    """What every home is to have.

    Parameters
    ----------
    settings
        VS Code's settings by key.
    environments
        Prefixes that conda is to list.
    root
        The folder of the named environments: what points below it is ours to change.
    links
        Path below ``.vscode-server`` to target.
    """

    settings: Mapping[str, Any]
    environments: tuple[str, ...]
    root: str
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What a home has of it.

    Parameters
    ----------
    settings, environments
        Texts of files; None is no file.
    links
        Where links lead; None where there is something else.
    refused
        Files that can't be read, with why.
    """

    settings: str | None = None
    environments: str | None = None
    links: Mapping[str, str | None] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


class Step(NamedTuple):
    """A change of one place: as Ansible shows differences, and what makes it."""

    path: str
    diff: dict[str, str]
    make: Callable[[], None]


@dataclass(frozen=True)
class Plan:
    """What changes in a home; ``kept`` are keys that the user has set differently, ``left`` the problems."""

    home: str
    files: tuple[Change, ...]
    links: Mapping[str, str]
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.files or self.links)

    def steps(self) -> list[Step]:
        """Return all that is to be done."""
        files = [Step(os.path.realpath(one.path), one.diff(), functools.partial(_write, one)) for one in self.files]
        places = {os.path.join(self.home, SERVER, path): target for path, target in self.links.items()}
        links = [
            Step(
                place,
                Change(place, None, Kept("link to %s\n" % target)).diff(),
                functools.partial(_link, place, target),
            )
            for place, target in places.items()
        ]
        return [*files, *links]


@dataclass(frozen=True)
class Outcome:
    """What became of a home: what changed, as differences, and what did not and why."""

    diff: Sequence[Mapping[str, str]] = ()
    kept: Sequence[str] = ()
    problems: Sequence[str] = ()
    #: Files below the home that were not there before; of what a process of the user says, only the files of `FILES`.
    made: Sequence[str] = ()


def converge(
    users: Sequence[pwd.struct_passwd], wish: Wish, *, check_mode: bool, total_seconds: float = TOTAL_SECONDS
) -> dict[str, Outcome]:
    """Bring homes to what they are to have, each with its user's rights; one that can't be does not keep others."""
    jobs = [(user, functools.partial(_converge, user, wish, check_mode)) for user in users]
    answers = as_user.call_each(jobs, seconds=SECONDS, most_bytes=MOST_OF_USER, total_seconds=total_seconds)
    return {
        user.pw_name: Outcome(problems=(answer.reason,)) if isinstance(answer, as_user.Failed) else Outcome(**answer)
        for user, answer in zip(users, answers)
    }


def read(home: str, uid: int, links: Iterable[str]) -> State:
    """Look into a home, with its user's rights.

    Raises
    ------
    EvenkeelError
        There is none.
    """
    if not os.path.isdir(home):
        raise EvenkeelError("there is no home %s" % home, "Make it, or take the user off the list")
    texts: dict[str, str | None] = {}
    refused = {}
    for path in FILES:
        try:
            content = user_files.read(os.path.join(home, path), uid, LARGEST)
            texts[path] = content.text if content else None
        except user_files.Refused as error:  # noqa: PERF203
            refused[path] = error.what
    found = {path: os.path.join(home, SERVER, path) for path in links}
    standing = {
        path: (os.readlink(place) if os.path.islink(place) else None)
        for path, place in found.items()
        if os.path.lexists(place)
    }
    return State(texts.get(SETTINGS), texts.get(ENVIRONMENTS), standing, refused)


def plan(home: str, state: State, wish: Wish) -> Plan:
    """Compare a home with what it is to have."""
    left, changes = list(state.refused.values()), []
    kept: list[str] = []
    if SETTINGS not in state.refused:
        try:
            change, kept = _plan_settings(home, state.settings, wish)
            changes.append(change)
        except vscode_settings.Unreadable as error:
            left.append("%s: %s" % (os.path.join(home, SETTINGS), error))
    if ENVIRONMENTS not in state.refused:
        changes.append(_plan_environments(home, state.environments, wish))
    # A server that VS Code has fetched itself is as good.
    links = {path: target for path, target in wish.links.items() if state.links.get(path, "") not in (None, target)}
    return Plan(home, tuple(change for change in changes if change.changed), links, tuple(kept), tuple(left))


def apply(todo: Plan) -> tuple[list[dict[str, str]], list[str]]:
    """Carry out the plan with the user's rights; return what was done, as differences, and what failed."""
    done, failed = [], []
    for step in todo.steps():
        try:
            step.make()
            done.append(step.diff)
        except OSError as error:  # noqa: PERF203
            failed.append("%s could not be written: %s" % (error.filename or todo.home, error.strerror))
    return done, failed


def rehearse(todo: Plan) -> tuple[list[dict[str, str]], list[str]]:
    """Return what ``apply`` would do and what would fail, as far as the user's rights show it."""
    hindered = [(step.diff, _hindrance(step.path)) for step in todo.steps()]
    return [diff for diff, why in hindered if not why], [why for _unused, why in hindered if why]


def _hindrance(path: str) -> str:
    """Return why a path can't be written with the rights of this process; empty where it seems that it can."""
    folder = os.path.dirname(path)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
        return ""
    code = errno.EACCES if os.path.isdir(folder) else errno.ENOTDIR
    return "%s could not be written: %s" % (path, os.strerror(code))


def _converge(user: pwd.struct_passwd, wish: Wish, check_mode: bool) -> dict[str, Any]:
    todo = plan(user.pw_dir, read(user.pw_dir, user.pw_uid, wish.links), wish)
    done, failed = (rehearse if check_mode else apply)(todo)
    return {
        "diff": [_short(one) for one in done],
        "kept": todo.kept,
        "problems": [*todo.left, *failed],
        "made": [
            os.path.relpath(change.path, user.pw_dir)
            for change in todo.files
            if change.before is None and change.diff() in done
        ],
    }


def _plan_settings(home: str, text: str | None, wish: Wish) -> tuple[Change, list[str]]:
    known = vscode_settings.parse(text or "{}").values if (text or "").strip() else {}
    # What a user has chosen stays. What points to a named environment was written here, or may as well have been.
    kept = [key for key in wish.settings if key in known and not _is_ours(known[key], wish.root)]
    differing = {key: value for key, value in wish.settings.items() if key not in kept and known.get(key) != value}
    before = {key: known[key] for key in differing if key in known}
    after = vscode_settings.merge(text, differing)
    change = _change(os.path.join(home, SETTINGS), text, after, (_shown(before), _shown(differing)))
    return change, [key for key in kept if known[key] != wish.settings[key]]


def _plan_environments(home: str, text: str | None, wish: Wish) -> Change:
    listed = _listed(text, wish)
    ours = _lines_only_in(text, listed), _lines_only_in(listed, text)
    return _change(os.path.join(home, ENVIRONMENTS), text, listed, ours)


def _change(path: str, before: str | None, after: str | None, ours: tuple[str, str]) -> Change:
    """Return a change of text, of which a diff shows our part alone, for the rest may hold credentials."""
    files = (None if text is None else Kept(text) for text in (before, after))
    return Change(path, next(files), next(files), ours=ours)


def _is_ours(value: Any, root: str) -> bool:
    return isinstance(value, str) and value.startswith(root + "/")


def _shown(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=4) + "\n" if settings else ""


def _lines(text: str | None) -> list[str]:
    """Return lines as conda reads them; what else ends a line for Python stays within one."""
    lines = (text or "").rstrip("\n")
    return lines.split("\n") if lines else []


def _lines_only_in(text: str | None, other: str | None) -> str:
    """Return the lines of one text that another lacks."""
    known = set(_lines(other))
    return "".join("%s\n" % line for line in _lines(text) if line not in known)


def _listed(text: str | None, wish: Wish) -> str | None:
    """Return conda's list with our environments in it, without those of ours that are gone."""
    lines = _lines(text)
    stay = [line for line in lines if not _is_ours(line, wish.root) or line in wish.environments]
    fresh = [prefix for prefix in wish.environments if prefix not in stay]
    return text if stay == lines and not fresh else "".join("%s\n" % line for line in (*stay, *fresh))


def _short(diff: Mapping[str, str]) -> dict[str, str]:
    return {
        key: text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "\n(and more)\n" for key, text in diff.items()
    }


def _write(change: Change) -> None:
    path = os.path.realpath(change.path)
    mode = 0o644
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
    _make_folders(os.path.dirname(path))
    write_atomically(path, change.after.text if change.after else "", mode)


def _link(path: str, target: str) -> None:
    _make_folders(os.path.dirname(path))
    link_atomically(path, target)


def _make_folders(path: str) -> None:
    """Make folders that are their owner's alone, as VS Code keeps tokens below them."""
    if not os.path.isdir(path):
        _make_folders(os.path.dirname(path))
        os.mkdir(path, 0o700)
