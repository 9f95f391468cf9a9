# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments on disk: where they are, what marks them, what is written down about them."""

from __future__ import annotations

import datetime
import json
import os
import pwd
import re
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import VERSION
from .condarc import Settings
from .errors import (
    CondaValueError,
    DirectoryNotACondaEnvironmentError,
    EnvironmentIsFrozenError,
    EnvironmentLocationNotFound,
    EnvironmentNameNotFound,
    EnvironmentNotWritableError,
    NoWritableEnvsDirError,
)

BASE_NAMES = ("base", "root")
DISALLOWED = "/ :#"
SPECS = re.compile(r"^# (update|remove|neutered) specs: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """One environment, or the place where one may be made; ``prefix`` is kept as it was named."""

    prefix: Path
    settings: Settings

    @property
    def history(self) -> Path:
        """The file that makes a directory an environment."""
        return self.prefix / "conda-meta" / "history"

    @property
    def exists(self) -> bool:
        """Whether this is an environment."""
        return self.history.is_file()

    @property
    def is_base(self) -> bool:
        """Whether this is the environment that conda lives in."""
        return _same(self.prefix, self.settings.root_prefix)

    @property
    def name(self) -> str:
        """Name below one of the ``envs_dirs``, or nothing."""
        if self.is_base:
            return "base"
        return self.prefix.name if any(_same(self.prefix.parent, d) for d in self.settings.envs_dirs) else ""

    @property
    def is_frozen(self) -> bool:
        """Whether it is marked as not to be changed."""
        return (self.prefix / "conda-meta" / "frozen").is_file()

    @property
    def is_writable(self) -> bool:
        """Whether this user may change it."""
        return os.access(self.history, os.W_OK)

    def require_environment(self) -> None:
        """Fail unless this is an environment."""
        if self.exists:
            return
        if self.prefix.is_dir():
            raise DirectoryNotACondaEnvironmentError(self.prefix)
        raise EnvironmentLocationNotFound(self.prefix)

    def require_changeable(self) -> None:
        """Fail unless this is an environment that may be changed."""
        self.require_environment()
        if self.is_frozen and self.settings.value("protect_frozen_envs"):
            text = (self.prefix / "conda-meta" / "frozen").read_text().strip()
            raise EnvironmentIsFrozenError(self.prefix, json.loads(text).get("message", "") if text else "")
        if not self.is_writable:
            raise EnvironmentNotWritableError(self.prefix)

    def require_creatable(self) -> None:
        """Fail if the name or the place can't be that of a new environment."""
        if self.name in BASE_NAMES:
            raise CondaValueError(f"'{self.name}' is a reserved environment name")
        if ":" in str(self.prefix):
            raise CondaValueError(f"Environment paths cannot contain ':'. Prefix: '{self.prefix}'")
        if set(DISALLOWED) & set(self.prefix.name):
            raise CondaValueError(f"Environment names cannot contain any of these characters: {set(DISALLOWED)}")
        if Environment(self.prefix.parent, self.settings).exists:
            raise CondaValueError("Environment paths cannot be immediately nested under another conda environment.")

    def details(self) -> dict[str, Any]:
        """Return the content of ``envs_details``."""
        active = os.environ.get("CONDA_PREFIX")
        return {
            "name": self.name,
            "created": self._created(),
            "last_modified": _iso(self.history.stat().st_mtime) if self.exists else None,
            "active": bool(active) and _same(self.prefix, Path(str(active))),
            "base": self.is_base,
            "frozen": self.is_frozen,
            "writable": self.is_writable if self.exists else None,
        }

    def requested_specs(self) -> dict[str, str]:
        """Return the specifications that people asked for, by package name."""
        wanted: dict[str, str] = {}
        text = self.history.read_text() if self.exists else ""
        for action, listed in SPECS.findall(text):
            for spec in re.findall(r"'([^']+)'", listed):
                name = spec_name(spec)
                if action == "remove":
                    wanted.pop(name, None)
                else:
                    wanted[name] = spec
        return wanted

    def write_history(
        self, removed: Iterable[str], added: Iterable[str], *, update: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Append one change to the history: the last thing that makes an environment valid."""
        lines = [
            f"==> {time.strftime('%Y-%m-%d %H:%M:%S')} <==",
            f"# cmd: {' '.join(sys.argv)}",
            f"# conda version: {VERSION}",
            *(f"-{dist}" for dist in sorted(removed)),
            *(f"+{dist}" for dist in sorted(added)),
        ]
        lines += [f"# {action} specs: {specs!r}" for action, specs in (("remove", remove), ("update", update)) if specs]
        created_at = self.prefix / "conda-meta" / "created_at"
        if not self.exists:
            created_at.write_text(str(time.time()))
        with self.history.open("a") as file:
            file.write("\n".join(lines) + "\n")

    def register(self) -> None:
        """Note the environment in the user's list."""
        listed = _list_of(self.settings.home)
        if not self.settings.value("register_envs") or str(self.prefix) in _lines(listed):
            return
        try:
            listed.parent.mkdir(parents=True, exist_ok=True)
            with listed.open("a") as file:
                file.write(f"{self.prefix}\n")
        except PermissionError:
            print(f"Unable to register environment in {listed}", file=sys.stderr)

    def delete(self) -> None:
        """Remove it from the disk (a symbolic link alone, if it is one) and from the user's list."""
        if self.prefix.is_symlink():
            self.prefix.unlink()
        else:
            shutil.rmtree(self.prefix)
        listed = _list_of(self.settings.home)
        if str(self.prefix) in _lines(listed):
            listed.write_text("\n".join(line for line in _lines(listed) if line != str(self.prefix)) + "\n")

    def _created(self) -> str | None:
        try:
            return _iso(float((self.prefix / "conda-meta" / "created_at").read_text()))
        except (OSError, ValueError):
            return None


def spec_name(spec: str) -> str:
    """Return the package name of a specification."""
    return re.split(r"[ =<>!~\[]", spec.rpartition("::")[2], maxsplit=1)[0].lower()


def everywhere(settings: Settings) -> list[Environment]:
    """Return all environments that are known: registered ones, those below ``envs_dirs``, and base."""
    homes = [Path(user.pw_dir) for user in pwd.getpwall()] if os.geteuid() == 0 else []
    prefixes = {settings.root_prefix}
    for home in dict.fromkeys([settings.home, *homes]):
        prefixes |= {Path(line) for line in _lines(_list_of(home))}
    for folder in settings.envs_dirs:
        if folder.is_dir():
            prefixes |= set(folder.iterdir())
    found = [Environment(prefix, settings) for prefix in sorted(prefixes)]
    return [environment for environment in found if environment.exists or environment.is_base]


def by_name(name: str, settings: Settings) -> Environment:
    """Return the environment called ``name``.

    Raises
    ------
    EnvironmentNameNotFound
        No folder of environments has it.
    """
    if "/" in name:
        raise CondaValueError("Environment names cannot contain path separators")
    if name in BASE_NAMES:
        return Environment(settings.root_prefix, settings)
    for folder in settings.envs_dirs:
        environment = Environment(folder / name, settings)
        if environment.exists:
            return environment
    raise EnvironmentNameNotFound(name)


def to_create(name: str, settings: Settings) -> Environment:
    """Return where the environment ``name`` is, or would be made."""
    try:
        return by_name(name, settings)
    except EnvironmentNameNotFound:
        for folder in settings.envs_dirs:
            if _can_be_made(folder):
                return Environment(folder / name, settings)
        raise NoWritableEnvsDirError(settings.envs_dirs) from None


def current(settings: Settings) -> Environment:
    """Return the active environment, or base."""
    return Environment(Path(os.environ.get("CONDA_PREFIX") or settings.root_prefix), settings)


def _can_be_made(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _iso(timestamp: float) -> str:
    return datetime.datetime.fromtimestamp(timestamp, tz=datetime.UTC).isoformat()


def _list_of(home: Path) -> Path:
    return home / ".conda" / "environments.txt"


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text().splitlines() if line.strip()]
    except OSError:
        return []
