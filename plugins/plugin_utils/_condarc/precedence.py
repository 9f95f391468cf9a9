# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which of conda's configuration files wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import Setting
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import known, same_setting


@dataclass(frozen=True)
class File:
    """A file of the search path and what it sets."""

    path: str
    settings: Mapping[str, Setting]


@dataclass(frozen=True)
class Effective:
    """What conda makes of all files for one key."""

    value: Any
    #: The file that wins: the last word on a single value, the first items of a list, the entries of a map that stand.
    file: str
    #: All that set the key, the lowest precedence first.
    files: list[str]


def effective(name: str, files: Sequence[File]) -> Effective | None:
    """Return what conda makes of a key; None when no file sets it.

    Parameters
    ----------
    name
        The key, in any spelling.
    files
        The search path, the lowest precedence first.
    """
    kind = known()[name].kind if name in known() else "scalar"
    matches = [
        (file.path, setting)
        for file in files
        for spelling, setting in file.settings.items()
        if spelling in same_setting(name) and _counts(setting.value, kind)
    ]
    if not matches:
        return None
    pin = next((position for position, (_unused, setting) in enumerate(matches) if setting.flag == "final"), None)
    relevant = matches if pin is None else matches[: pin + 1]
    value = _merged([setting for _unused, setting in relevant], kind)
    return Effective(value, relevant[-1][0], [path for path, _unused in matches])


def overridden(ours: File, files: Sequence[File]) -> dict[str, list[str]]:
    """Return the keys of one file that others defeat, by the file that does it.

    Parameters
    ----------
    ours
        The file.
    files
        The search path with that file in it, the lowest precedence first.
    """
    found: dict[str, list[str]] = {}
    for name, setting in ours.settings.items():
        made = effective(name, files)
        if made is not None and not _holds(made.value, setting.value):
            others = [path for path in (made.file, *reversed(made.files)) if path != ours.path]
            for path in others[:1]:
                found.setdefault(path, []).append(name)
    return found


def _counts(value: Any, kind: str) -> bool:
    """Whether conda considers a value at all; it stops at one of a wrong kind."""
    return (
        isinstance(value, {"list": list, "map": dict}[kind]) if kind != "scalar" else not isinstance(value, list | dict)
    )


def _holds(made: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return bool(made[: len(wanted)] == wanted)
    if isinstance(wanted, dict):
        return all(name in made and _holds(made[name], value) for name, value in wanted.items())
    return bool(made == wanted)


def _merged(settings: Sequence[Setting], kind: str) -> Any:
    if kind == "list":
        return _merged_lists(settings)
    if kind == "map":
        return _merged_maps(settings)
    return settings[-1].value


def _merged_lists(settings: Sequence[Setting]) -> list[Any]:
    """Return one list: of files with higher precedence first, but for what is flagged to stand at the top or bottom."""

    def flagged(setting: Setting, flag: str) -> list[Any]:
        return [item.value for item in setting.parts.values() if item.flag == flag]

    top = [item for setting in settings for item in flagged(setting, "top")]
    bottom = [item for setting in reversed(settings) for item in flagged(setting, "bottom")]
    rest = [item for setting in reversed(settings) for item in setting.value]
    return [item for item in _once([*top, *rest]) if item not in bottom] + _once(bottom[::-1])[::-1]


def _merged_maps(settings: Sequence[Setting]) -> dict[str, Any]:
    """Return one map: of each entry the value of highest precedence, or the first that is flagged final."""
    entries: dict[str, list[Setting]] = {}
    for setting in settings:
        for name, entry in setting.parts.items():
            entries.setdefault(name, []).append(entry)
    pinned = {
        name: next((entry for entry in candidates if entry.flag == "final"), None)
        for name, candidates in entries.items()
    }
    return {
        name: pin.value if (pin := pinned[name]) else _merged(candidates, _kind(candidates[0].value))
        for name, candidates in entries.items()
    }


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "map" if isinstance(value, dict) else "scalar"


def _once(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
