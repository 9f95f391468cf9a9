# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What is wrong with the inputs of a role or a playbook: one line for each, which names the variable."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common import validation
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

RENAMED = Path(__file__).parents[1] / "data" / "renamed.yml"
#: Ansible's markup in descriptions, such as C(text).
_MARKUP = re.compile(r"\b[BCIOV]\(([^)]*)\)")
#: What can be an element of a list of texts, or several of them.
_WORDS = re.compile(r"[\w.:/+-][\w.:/+,-]*")
#: By the ending of a variable's name, the least and the most.
_RANGES = {
    "_percentage": (0, 100),
    "_steps": (1, math.inf),
    "_seconds": (1, math.inf),
    "_timeout": (0, math.inf),
    "_keep": (0, math.inf),
    "_keep_days": (0, math.inf),
}
#: How many hosts a batch of a play has. Ansible takes 0 and less for all hosts at once.
_BATCH = re.compile(r"[1-9][0-9]*|([1-9][0-9]?|100)%")
#: Longer values are cut.
_SHOWN = 60


Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Type:
    """A type of an argument specification."""

    described: str
    fits: Callable[[Any], bool]


def _converts(check: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            check(value)
        except (TypeError, ValueError, ArithmeticError):
            return False
        return True

    return fits


def _check_finite(value: Any) -> None:
    """Refuse also what is not a number, which no comparison finds too small or too large."""
    if not math.isfinite(validation.check_type_float(value)):
        raise ValueError(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


#: A text is neither a list nor a mapping, unlike in a module: templates would take it apart letter by letter.
_TYPES = {
    "str": _Type("text", _is_scalar),
    "path": _Type("a path", _is_scalar),
    "int": _Type("a whole number", _converts(validation.check_type_int)),
    "float": _Type("a number", _converts(_check_finite)),
    "bool": _Type("true or false", _converts(validation.check_type_bool)),
    "list": _Type("a list", lambda value: isinstance(value, (list, tuple))),
    "dict": _Type("a mapping", lambda value: isinstance(value, Mapping)),
    "raw": _Type("a value", lambda _unused: True),
}


def problems(options: Options, values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with variables, a line for each problem.

    Parameters
    ----------
    options
        Of each variable, what its argument specification says: ``type``, ``elements``, ``choices``, ``options``,
        ``required``, ``default``, ``no_log``; and the ``description``, one text, of what is required.
    values
        The values of those that are set, templated.
    """
    return [line for name, option in options.items() for line in _of_key(name, option, values, name)]


def _of_key(key: str, option: Mapping[str, Any], values: Mapping[str, Any], name: str) -> Iterator[str]:
    wanted = _TYPES[option.get("type", "str")]
    if key not in values:
        if option.get("required"):
            described = _MARKUP.sub(r"\1", option.get("description", wanted.described))
            yield _line(f"{name} is not set", f"Set it to {described[0].lower()}{described[1:]}")
    elif values[key] is not None:
        yield from _of_value(name, option, values[key])
    elif option.get("required") or "default" in option:
        yield _line(f"{name} is empty", f"Set it to {wanted.described}")


def _of_value(name: str, option: Mapping[str, Any], value: Any) -> Iterator[str]:
    wanted = _TYPES[option.get("type", "str")]
    if not wanted.fits(value):
        meant = _as_list(name, option, value)
        of_these = f" of these: {_listed(option['choices'])}" if "choices" in option and not meant else ""
        yield _line(f"{name} is {_shown(value, option)}", f"Set it to {wanted.described}{meant}{of_these}")
    elif isinstance(value, (list, tuple)):
        of_each = {**option, "type": option.get("elements", "raw")}
        for number, element in enumerate(value):
            yield from _of_value(f"{name}[{number}]", of_each, element)
    elif isinstance(value, Mapping):
        yield from _of_mapping(name, option.get("options", {}), value)
    elif "choices" in option and value not in option["choices"]:
        meant, choices = _nearest(value, option["choices"]), _listed(option["choices"])
        remedy = f"Set it to {meant}; the choices are {choices}" if meant else f"Set it to one of {choices}"
        yield _line(f"{name} is {_shown(value, option)}", remedy)


def _of_mapping(name: str, options: Options, value: Mapping[str, Any]) -> Iterator[str]:
    for key in value:
        if options and key not in options:
            yield _line(f"{name} holds {_shown(key, {})}, which is none of its keys", _suggestion(str(key), options))
    for key, option in options.items():
        yield from _of_key(key, option, value, f"{name}.{key}")


def _as_list(name: str, option: Mapping[str, Any], value: Any) -> str:
    """Return how a text is written as a list; empty where no list of texts is wanted, or where it is no plain words.

    Words that are none of the choices are replaced by the nearest ones, and the choices are said; empty where there is
    no near one.
    """
    is_wanted = option.get("type") == "list" and option.get("elements") == "str" and not option.get("no_log")
    if not is_wanted or not isinstance(value, str) or not _WORDS.fullmatch(value) or not name.isidentifier():
        return ""
    given = [str(word) for word in value.split(",") if word]
    choices = option.get("choices", given)
    words = [word if word in choices else _nearest(word, choices) for word in given]
    if not all(words):
        return ""
    said = "" if words == given else f"; the choices are {_listed(choices)}"
    # Without a colon before a space, which Ansible would quote once more.
    return f", [{', '.join(words)}]; on the command line -e '{json.dumps({name: words}, separators=(',', ':'))}'{said}"


def _nearest(value: Any, choices: Iterable[Any]) -> str:
    """Return the choice that a value is a misspelling of; empty for none."""
    return next(iter(difflib.get_close_matches(str(value), map(str, choices), n=1, cutoff=0.7)), "")


def _listed(choices: Iterable[Any]) -> str:
    return ", ".join(map(str, choices))


def wrong_batches(name: str, value: Any) -> list[str]:
    """Return a line where a variable is no size of batches, and no list of such sizes."""
    sizes = value if isinstance(value, list) else [value]
    if sizes and all(_BATCH.fullmatch(str(size)) for size in sizes):
        return []
    remedy = "Give a number from 1, a percentage from 1% to 100%, or a list of these"
    return [_line(f"{name} is {_shown(value, {})}", remedy)]


def wrong_number(name: str, value: Any) -> list[str]:
    """Return a line where a number is outside of what the ending of its variable's name allows."""
    for ending, (least, most) in _RANGES.items():
        if name.endswith(ending) and not least <= float(value) <= most:
            return [
                _line(
                    f"{name} is {value}", f"Set it to a number from {least}{f' to {most}' if most < math.inf else ''}"
                )
            ]
    return []


def wrong_text(name: str, option: Mapping[str, Any], value: Any) -> list[str]:
    """Return a line where a path, or a text that is required, is empty, unless that is its default."""
    if value != "" or option.get("default") == "" or not (option.get("required") or option.get("type") == "path"):
        return []
    return [_line(f"{name} is empty", f"Leave it out, or set it to {_TYPES[option.get('type', 'str')].described}")]


def both_given(names: Collection[str], given: Collection[str]) -> list[str]:
    """Return a line where more than one of these variables is given."""
    found = [name for name in names if name in given]
    return [_line(f"{' and '.join(found)} are both set", "Set one of them")] if len(found) > 1 else []


def wrong_group(name: str, value: Any, groups: Collection[str]) -> list[str]:
    """Return a line where a variable is no group of the inventory."""
    if value in groups:
        return []
    return [_line(f"{name} is {_shown(value, {})}, and the inventory has no such group", "Name one that it has")]


def renamed(given: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that has another name now.

    Parameters
    ----------
    names
        The new name of each old one.
    """
    old = sorted(names.keys() & set(given))
    return [_line(f"{name} has another name now", f"Set {names[name]} instead") for name in old]


def unreadable(name: str, reason: str) -> str:
    """Return the line for a variable whose template fails."""
    return f"{name} can't be read: {' '.join(reason.split())}"


@cache
def changes() -> dict[str, Any]:
    """Return what earlier releases called otherwise and what they had as defaults, as data/renamed.yml says it."""
    return read_mapping(RENAMED)


def changed_defaults(role: str, values: Mapping[str, Any]) -> list[str]:
    """Return a line for each input of a role that has another default than in the release before, and has that.

    Parameters
    ----------
    values
        The values of the role's variables.
    """
    changed = changes()["changed_defaults"].get(role, {})
    return [
        _line(
            f"{name} is {json.dumps(change['now'])} by default since {change['since']}",
            f"Set it to {json.dumps(change['before'])} to keep what it was",
        )
        for name, change in changed.items()
        if values.get(name) == change["now"]
    ]


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = _nearest(name, known)
    return f"Use {close} instead" if close else f"Known are {', '.join(sorted(known))}"


def _shown(value: Any, option: Mapping[str, Any]) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a mapping"
    if option.get("no_log"):
        return "text" if isinstance(value, str) else "not text"
    if isinstance(value, str):
        text = repr(masked(str(value)))  # a part of a secret would not be recognised
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...'"
    return json.dumps(value, default=str)


def _line(what: str, remedy: str) -> str:
    return str(EvenkeelError(what, remedy))
