# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What VS Code finds in a person's home: settings of this machine, conda's list of environments, links to a server.

All of it is read and written with that person's rights and no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils import _vscode_settings as vscode_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._accounts import acting_as
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import link_atomically, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._secrets import difference

SERVER = ".vscode-server"
SETTINGS = SERVER + "/data/Machine/settings.json"
#: Read by conda, and by the extension's finder: crates/pet-conda/src/environment_locations.rs of
#: microsoft/python-environment-tools (2024), get_conda_envs_from_environment_txt.
ENVIRONMENTS = ".conda/environments.txt"
LARGEST = 1 << 20


class Untouchable(Exception):
    """A home, or a file in it, that is left as it is; the message says why."""


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
    """What a home has of it; a link is None where there is something else."""

    settings: str | None
    environments: str | None
    links: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A file that gets another text, and of what was and will be only our part, for the rest may hold credentials."""

    path: str
    before: str | None
    after: str | None
    ours: tuple[str, str]

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        return difference(self.path, *self.ours)


@dataclass(frozen=True)
class Plan:
    """What changes in a home; ``kept`` are keys that the person has set otherwise, ``left`` says what is left alone."""

    home: str
    files: tuple[Change, ...]
    links: Mapping[str, str]
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.files or self.links)

    def diff(self) -> list[dict[str, str]]:
        """Return it as Ansible shows differences."""
        linked = [
            difference(os.path.join(self.home, SERVER, path), None, "link to %s\n" % target)
            for path, target in self.links.items()
        ]
        return [change.diff() for change in self.files] + linked


def read(user: str, home: str, links: Iterable[str]) -> State:
    """Look into a home.

    Raises
    ------
    Untouchable
        There is none, or its person may not read what is there.
    """
    with acting_as(user):
        if not os.path.isdir(home):
            raise Untouchable("there is no home %s" % home)
        found = {path: os.path.join(home, SERVER, path) for path in links}
        return State(
            _text(os.path.join(home, SETTINGS)),
            _text(os.path.join(home, ENVIRONMENTS)),
            {
                path: (os.readlink(place) if os.path.islink(place) else None)
                for path, place in found.items()
                if os.path.lexists(place)
            },
        )


def plan(home: str, state: State, wish: Wish) -> Plan:
    """Compare a home with what it shall have."""
    left, kept, after = [], [], state.settings
    settings: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
    try:
        known = vscode_settings.parse(state.settings or "{}").values if (state.settings or "").strip() else {}
        # What a person has chosen stays. What points to a named environment was written here, or may as well have been.
        kept = [key for key in wish.settings if key in known and not _is_ours(known[key], wish.root)]
        differing = {key: value for key, value in wish.settings.items() if key not in kept and known.get(key) != value}
        settings = {key: known[key] for key in differing if key in known}, differing
        after = vscode_settings.merge(state.settings, differing)
        kept = [key for key in kept if known[key] != wish.settings[key]]
    except vscode_settings.Unreadable as error:
        left.append("%s: %s" % (os.path.join(home, SETTINGS), error))
    listed = _listed(state.environments, wish)
    changes = [
        Change(os.path.join(home, SETTINGS), state.settings, after, (_shown(settings[0]), _shown(settings[1]))),
        Change(
            os.path.join(home, ENVIRONMENTS),
            state.environments,
            listed,
            (_lines_only_in(state.environments, listed), _lines_only_in(listed, state.environments)),
        ),
    ]
    # A server that VS Code has fetched itself is as good.
    links = {path: target for path, target in wish.links.items() if state.links.get(path, "") not in (None, target)}
    return Plan(
        home, tuple(change for change in changes if change.before != change.after), links, tuple(kept), tuple(left)
    )


def apply(user: str, todo: Plan) -> None:
    """Do what the plan says.

    Raises
    ------
    Untouchable
        The person could not write there.
    """
    with acting_as(user):
        try:
            for change in todo.files:
                _write(change)
            for path, target in todo.links.items():
                _make_folders(os.path.dirname(os.path.join(todo.home, SERVER, path)))
                link_atomically(os.path.join(todo.home, SERVER, path), target)
        except OSError as error:
            raise Untouchable("%s: %s" % (error.filename, error.strerror)) from error


def _is_ours(value: Any, root: str) -> bool:
    return isinstance(value, str) and value.startswith(root + "/")


def _shown(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=4) + "\n" if settings else ""


def _lines_only_in(text: str | None, other: str | None) -> str:
    """Return the lines of one text that another lacks."""
    known = (other or "").splitlines()
    return "".join("%s\n" % line for line in (text or "").splitlines() if line not in known)


def _listed(text: str | None, wish: Wish) -> str | None:
    """Return conda's list with our environments in it, without those of ours that are gone."""
    lines = (text or "").splitlines()
    stay = [line for line in lines if not _is_ours(line, wish.root) or line in wish.environments]
    fresh = [prefix for prefix in wish.environments if prefix not in stay]
    return text if stay == lines and not fresh else "".join("%s\n" % line for line in (*stay, *fresh))


def _text(path: str) -> str | None:
    """Return a file's text; neither a pipe nor a device of somebody's making holds this up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Untouchable("%s: %s" % (path, error.strerror)) from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Untouchable("%s is no ordinary file" % path)
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Untouchable("%s is larger than %d bytes" % (path, LARGEST))
    return content.decode("utf-8", "surrogateescape")


def _write(change: Change) -> None:
    path = os.path.realpath(change.path)
    mode = 0o644
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
    _make_folders(os.path.dirname(path))
    write_atomically(path, change.after or "", mode)


def _make_folders(path: str) -> None:
    """Make folders that are their owner's alone, as VS Code keeps tokens below them."""
    if not os.path.isdir(path):
        _make_folders(os.path.dirname(path))
        os.mkdir(path, 0o700)
