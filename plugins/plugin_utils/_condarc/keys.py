# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The keys of conda's configuration files: their spellings, their types, and the releases that know them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

with optional():
    from packaging.version import InvalidVersion, Version

DATA = Path(__file__).parents[1] / "data" / "condarc_keys.yml"

_SCALARS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "float": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "str": ("text", lambda value: isinstance(value, str)),
    "null": ("null", lambda value: value is None),
}


@dataclass(frozen=True)
class Key:
    """One spelling of a key."""

    name: str
    #: The spelling that conda prefers; keys with one ``main`` are the same setting.
    main: str
    #: ``bool``, ``int|null``, ``list[str]``, ``map[list[str]]`` and the like; ``map`` for one of any content.
    type: str
    choices: tuple[str, ...] = ()
    pattern: str = ""
    #: The release that introduced it and the first one without it; empty when older or newer than what is known.
    since: str = ""
    removed: str = ""

    def known_to(self, conda: str) -> bool:
        """Whether this release of conda reads it; an unknown one is taken for the newest."""
        if not conda:
            return not self.removed
        release = Version(conda)
        return not (self.since and release < Version(self.since)) and not (
            self.removed and release >= Version(self.removed)
        )

    @property
    def kind(self) -> str:
        """How conda merges it: ``list``, ``map`` or ``scalar``."""
        return next((kind for kind in ("list", "map") if self.type.startswith(kind)), "scalar")


@cache
def known() -> Mapping[str, Key]:
    """Return every spelling that conda or a program beside it has ever read."""
    data = read_mapping(DATA)
    entries: dict[str, dict[str, Any]] = {**data["keys"], **data["others"]}
    keys = {}
    for name, entry in entries.items():
        main = entry.get("same_as", name)
        described = {**{field: entries[main].get(field, "") for field in ("type", "pattern")}, **entry}
        keys[name] = Key(
            name,
            main,
            described["type"],
            tuple(entries[main].get("choices", ())),
            described["pattern"],
            entry.get("since", ""),
            entry.get("removed", ""),
        )
    return keys


def same_setting(name: str) -> frozenset[str]:
    """Return all spellings of a key."""
    main = main_name(name)
    return frozenset({name, *(key.name for key in known().values() if key.main == main)})


def main_name(name: str) -> str:
    """Return the spelling of a key that conda prefers."""
    return known()[name].main if name in known() else name


def spelled(settings: Mapping[str, Any], conda: str, allowed: Collection[str] = ()) -> dict[str, Any]:
    """Return settings under the names that a release of conda reads, after a check of their values.

    Parameters
    ----------
    settings
        Key to value.
    conda
        The release, such as ``26.7.1``; empty when it is not known.
    allowed
        Keys to take although conda knows nothing of them.

    Raises
    ------
    EvenkeelError
        A key is unknown, to conda or to this release, or is there in two spellings, or has a value that conda
        would refuse.
    """
    require_release(conda)
    require_settings(settings, allowed)
    return {_spelling(name, conda) if name in known() else name: value for name, value in settings.items()}


def require_settings(settings: Mapping[str, Any], allowed: Collection[str] = ()) -> None:
    """Refuse settings that every release of conda would refuse or ignore."""
    require_known(settings, allowed, "settings")
    require_one_spelling(settings, "settings")
    for name, value in settings.items():
        if name in known():
            require_value(known()[name], value)


def require_release(conda: str) -> None:
    """Refuse what is not a version."""
    try:
        Version(conda or "0")
    except InvalidVersion:
        raise EvenkeelError(
            f"conda_version is {conda!r}, which is not a version",
            "Write it as conda --version prints it, such as 26.7.1",
        ) from None


def require_known(names: Iterable[str], allowed: Collection[str], where: str) -> None:
    """Refuse keys that no conda has ever read."""
    unknown = [name for name in names if name not in known() and name not in allowed]
    if unknown:
        close = difflib.get_close_matches(unknown[0], known(), n=3)
        raise EvenkeelError(
            f"{where} holds {', '.join(unknown)}, which conda does not know and would ignore",
            (f"Did you mean {' or '.join(close)}? If not, name" if close else "Remove it, or name")
            + " it in allow_unknown when another program reads it",
        )


def require_one_spelling(names: Iterable[str], where: str) -> None:
    """Refuse two spellings of one setting, at which conda stops."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(main_name(name), name)
        if other != name:
            raise EvenkeelError(
                f"{where} holds {other} and {name}, which are one setting; conda stops at a file with both",
                f"Keep one of them, best {main_name(name)}",
            )


def require_value(key: Key, value: Any) -> None:
    """Refuse a value that conda would refuse."""
    wrong = problem(key, value)
    if wrong:
        raise EvenkeelError(
            wrong, f"Change the value of {key.name}; note that YAML reads 3.10 as the number 3.1, and '3.10' as text"
        )


def problem(key: Key, value: Any) -> str:
    """Return why conda would refuse a value; empty when it would not."""
    shown = masked(repr(value))
    if not _fits(key.type, value):
        return f"{key.name} is {shown}; conda wants {_described(key.type)}"
    if key.choices and value not in key.choices:
        return f"{key.name} is {shown}; conda wants one of {', '.join(key.choices)}"
    if key.pattern and isinstance(value, str) and value and not re.fullmatch(key.pattern, value):
        return f"{key.name} is {shown}, which does not match {key.pattern}"
    return ""


def _spelling(name: str, conda: str) -> str:
    """Return the name under which a release reads the setting: the given one where it can."""
    key = known()[name]
    names = sorted(same_setting(name), key=lambda other: (other != name, other != key.main, other))
    for other in names:
        if known()[other].known_to(conda):
            return other
    since = f"it came with {key.since}" if key.since and not key.removed else f"it was removed in {key.removed}"
    raise EvenkeelError(
        f"{f'conda {conda}' if conda else 'The current conda'} does not know {name}; {since}",
        "Remove it from the settings of these nodes",
    )


def _fits(kind: str, value: Any) -> bool:
    if kind.startswith("list["):
        return isinstance(value, list) and all(_fits(kind[5:-1], one) for one in value)
    if kind.startswith("map"):
        return isinstance(value, dict) and (
            kind == "map" or all(isinstance(name, str) and _fits(kind[4:-1], one) for name, one in value.items())
        )
    return any(_SCALARS[one][1](value) for one in kind.split("|"))


def _described(kind: str) -> str:
    if kind.startswith("list["):
        return f"a list of {_described(kind[5:-1])}"
    if kind == "map":
        return "keys and values"
    if kind.startswith("map["):
        return f"keys, each with {_described(kind[4:-1])}"
    return " or ".join(_SCALARS[one][0] for one in kind.split("|"))
