# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Docker's daemon: its settings, of which Evenkeel keeps two, and whether they are in effect."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, json_text, kept_files, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

SETTINGS = "/etc/docker/daemon.json"
UNIT = "docker.service"
RUNTIME = "nvidia"
#: What `nvidia-ctk runtime configure --runtime=docker` writes; the daemon finds the program in its PATH.
_RUNTIME = {"path": "nvidia-container-runtime", "args": []}
_PARTS = (("runtimes", RUNTIME), ("features", "cdi"))
_ADDED = {"runtimes": _RUNTIME, "features": True}


@dataclass(frozen=True)
class Settings:
    """What changes in the file of settings, whether the daemon is to give devices by CDI, and what is added."""

    file: Change
    cdi: bool
    added: tuple[Thing, ...] = ()

    @property
    def changed(self) -> bool:
        return self.file.changed


@dataclass(frozen=True)
class Running:
    """What the running daemon reports."""

    runtimes: tuple[str, ...] = ()
    #: Whether it gives devices by CDI; None where it is too old to report that.
    cdi: bool | None = None

    def obeys(self, settings: Settings) -> bool:
        """Return whether these settings are in effect."""
        return RUNTIME in self.runtimes and (self.cdi is not False or not settings.cdi)


def plan(file: Kept | None) -> Settings:
    """Add the runtime ``nvidia`` and CDI to the settings; a diff shows these alone, for the rest may hold credentials.

    Raises
    ------
    EvenkeelError
        They can't be read, so nothing can be added.
    """
    text = file.text if file else ""
    settings = parse(text)
    runtimes, features = _mapping(settings, "runtimes"), _mapping(settings, "features")
    # What an administrator has set stays, even a runtime at another path or CDI that is off.
    wanted = {"runtimes": {RUNTIME: _RUNTIME, **runtimes}, "features": {"cdi": True, **features}}
    ours = _ours(settings), _ours(wanted)
    if ours[0] != ours[1]:
        text = text if text.strip() else "{}\n"
        for part, key in _PARTS:
            text = json_text.with_member(text, (part, key), _ADDED[part])
    before, after = (json.dumps(part, indent=4, sort_keys=True) + "\n" for part in ours)
    change = kept_files.edited(SETTINGS, file, text, ours=(before, after))
    added = tuple(_thing(part) for part, _key in _PARTS if part not in ours[0])
    return Settings(change, bool(wanted["features"]["cdi"]), added)


def plan_removal(file: Kept | None, recorded: Collection[Thing], *, made: bool) -> tuple[Change | None, str]:
    """Take what was added out of the settings; return what changes, and why something stays.

    Parameters
    ----------
    recorded
        What shows which settings were added.
    made
        Whether there was no file before ours.

    Raises
    ------
    EvenkeelError
        They can't be read.
    """
    if file is None:
        return None, ""
    settings = parse(file.text)
    before = _ours(settings)
    own = {part for part, _key in _PARTS if made or _thing(part) in recorded}
    if "runtimes" in own and settings.get("default-runtime") == RUNTIME:
        return None, "%s: default-runtime is %s" % (SETTINGS, RUNTIME)
    text = file.text
    for part, key in _PARTS:
        if part in own and _mapping(settings, part).get(key) == _ADDED[part]:
            text = json_text.without_member(text, (part, key))
    left = parse(text)
    after = _ours(left)
    if before == after:
        return None, ""
    shown = [json.dumps(part, indent=4, sort_keys=True) + "\n" for part in (before, after)]
    return kept_files.edited(SETTINGS, file, text if left or not made else None, ours=(shown[0], shown[1])), ""


def parse(text: str) -> dict[str, Any]:
    """Read settings; an empty file holds none.

    Raises
    ------
    EvenkeelError
        They are not JSON, not an object, or have a key twice.
    """
    if not text.strip():
        return {}
    try:
        settings = json.loads(text, object_pairs_hook=_without_doubles)
    except ValueError as error:
        raise EvenkeelError(
            "%s is not JSON that Docker can read: %s" % (SETTINGS, error),
            "Fix the JSON of that file, then run again; nothing was changed",
        ) from None
    if not isinstance(settings, dict):
        raise EvenkeelError(
            "%s holds no JSON object" % SETTINGS,
            "Write a JSON object to that file, or remove it, then run again; nothing was changed",
        )
    return settings


def parse_info(text: str) -> Running:
    """Read ``docker info --format '{{json .}}'``."""
    with contextlib.suppress(ValueError):
        info = json.loads(text)
        if isinstance(info, dict):
            folders = info.get("CDISpecDirs", ())
            return Running(tuple(info.get("Runtimes") or ()), None if folders == () else bool(folders))
    return Running()


def step(running: Running | None, settings: Settings, *, restart: bool) -> str:
    """Return what the daemon needs: ``restart``, ``reload``, or nothing.

    A reload, which leaves containers alone, is enough for a runtime; CDI comes with a restart.

    Parameters
    ----------
    running
        None if it does not run.
    settings
        The settings as they must be, and whether they change.
    restart
        Whether it may be restarted.
    """
    if running is None:
        return ""
    if restart and (settings.changed or not running.obeys(settings)):
        return "restart"
    return "reload" if settings.changed or RUNTIME not in running.runtimes else ""


def read() -> Kept | None:
    """Return the file of settings, None where there is none."""
    return kept_files.read_shared(SETTINGS)


def ask() -> Running | None:
    """Ask the running daemon; None if it does not run."""
    if not shutil.which("docker") or not units.read([UNIT])[UNIT].running:
        return None
    done = command.run(["docker", "info", "--format", "{{json .}}"], timeout=30)
    return parse_info(done.output) if done.status == 0 else None


def act(step: str) -> None:
    """Restart or reload it."""
    command.require(["systemctl", step, UNIT], "Find the reason in `journalctl --unit %s`, then run again" % UNIT)


def _ours(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the settings is ours."""
    return {part: {key: settings[part][key]} for part, key in _PARTS if key in settings.get(part, {})}


def _thing(part: str) -> Thing:
    return Thing("setting", "%s %s.%s" % (SETTINGS, part, dict(_PARTS)[part]))


def _mapping(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = settings.get(name, {})
    if not isinstance(found, dict):
        raise EvenkeelError(
            "%s in %s is not a JSON object" % (name, SETTINGS),
            "Make it an object, or remove it, then run again; nothing was changed",
        )
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _unused in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError("the key %s is there twice" % json.dumps(double))
    return found
