# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One configuration file of conda: what it sets, with the flags that conda sees, and its text."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from io import StringIO
from textwrap import dedent
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.yaml_limits import Excess, Limits, require_limits

with optional():
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError

HEADER = "# Evenkeel manages this file and overwrites what is changed here."
FINAL = "#!final"
#: Far above what conda's keys need. A number of so few digits can be shown as one.
LIMITS = Limits(values=5000, depth=20, characters=2048)
#: The scanner looks at every bracket that is open in a line for each further one.
MOST_BRACKETS = 100
FLAG = re.compile(r"[#!]*(final|top|bottom)[#!]*")


@dataclass(frozen=True)
class Setting:
    """What a file sets for one key, or for an item or entry of its value."""

    value: Any
    #: ``final``: no file of higher precedence can change it; ``top`` or ``bottom``: where an item goes; or nothing.
    flag: str = ""
    #: The items of a list by their positions, the entries of a map by their names.
    parts: Mapping[Any, Setting] = field(default_factory=dict)


def is_ours(text: str) -> bool:
    """Whether Evenkeel alone wrote the file."""
    return text.startswith(HEADER)


def parse(text: str, path: str) -> dict[str, Setting]:
    """Return what a file sets, with the flags that conda would see.

    Raises
    ------
    EvenkeelError
        It is malformed, has a key twice or is not a mapping.
    """
    return dict(setting_of(_loaded(text, path)).parts)


def exact(settings: Mapping[str, Any], final: Collection[str]) -> str:
    """Return a file that holds these settings and nothing else."""
    return "\n".join(
        [HEADER, *(line for name in settings for line in lines_of(name, settings[name], name in final)), ""]
    )


def lines_of(name: str, value: Any, pinned: bool) -> list[str]:
    """Return the lines that set a key."""
    lines = dumped({name: value})
    return [f"{lines[0]}  {FINAL}", *lines[1:]] if pinned else lines


def dumped(value: Any) -> list[str]:
    """Return the lines of YAML that hold a value."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 1 << 16
    stream = StringIO()
    yaml.dump(value, stream)
    return dedent(stream.getvalue()).splitlines()


def _loaded(text: str, path: str) -> CommentedMap:
    for number, content in enumerate(text.splitlines(), start=1):
        if content.count("[") + content.count("{") > MOST_BRACKETS:
            raise EvenkeelError(f"{path}, line {number}: it is nested too deeply", "Correct the file's YAML")
    yaml = YAML()
    try:
        # Python would write the library's warnings, which quote the text, to the operator's terminal as they are.
        with warnings.catch_warnings(action="ignore"):
            root = yaml.compose(text)
            if root is not None:
                require_limits(root, LIMITS)
            document = yaml.load(text)
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = masked(str(error.problem or error.context).splitlines()[0])
        raise EvenkeelError(f"{path}{line}: {problem}", "Correct the file's YAML") from None
    except Excess as error:
        raise EvenkeelError(f"{path}, line {error.line}: {error.problem}", "Correct the file's YAML") from None
    except RecursionError:
        raise EvenkeelError(f"{path}: it is nested too deeply", "Correct the file's YAML") from None
    except Exception as error:  # whatever the library trips over, in a file that anybody wrote
        problem = masked(next(iter(str(error).splitlines()), type(error).__name__))
        raise EvenkeelError(f"{path}: {problem}", "Correct the file's YAML") from None
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise EvenkeelError(f"{path} does not hold keys and values", "Check that it is the right file")
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value if value is None else str(value)


def setting_of(value: Any, flag: str = "") -> Setting:
    """Return a value with the flags in its comments where it was read from a file."""
    parts: dict[Any, Setting] = {}
    if isinstance(value, dict):
        flags = {name: (value.ca.items.get(name) or [None] * 3)[2] for name in value} if hasattr(value, "ca") else {}
        parts = {str(name): setting_of(one, _flag(flags.get(name))) for name, one in value.items()}
    elif isinstance(value, list):
        items = value.ca.items if hasattr(value, "ca") else {}
        parts = {position: setting_of(one, _flag(_behind(items.get(position)))) for position, one in enumerate(value)}
    return Setting(_plain(value), flag, parts)


def _behind(comment: Any) -> Any:
    """Return the comment of an item, which conda takes from above it when there is none behind."""
    if not comment:
        return None
    return comment[0] or (comment[1][0] if len(comment) > 1 and comment[1] else None)


def _flag(comment: Any) -> str:
    """Return the flag that a comment is; conda takes the whole of it, with the lines that follow."""
    found = FLAG.fullmatch(comment.value.strip()) if comment else None
    return found[1] if found else ""
