# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Single keys of one of conda's configuration files changed, and everything else left as people wrote it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import (
    FLAG,
    Setting,
    dumped,
    lines_of,
    parse,
    setting_of,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import same_setting
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_FLAGGED_LINE = re.compile(r"\s#[#!]*(final|top|bottom)[#!]*\s*$")


def merged(text: str, path: str, settings: Mapping[str, Any], final: Collection[str], remove: Collection[str]) -> str:
    """Return ``text`` with these settings in place of those that it has; everything else stays as it is written.

    Parameters
    ----------
    text
        The file; empty when there is none.
    path
        Its name, for messages.
    settings
        Key to value.
    final
        Keys that no file of higher precedence can change.
    remove
        Keys that the file must not set.

    Raises
    ------
    EvenkeelError
        The file is malformed, or written in a way in which single keys cannot be replaced.
    """
    before = parse(text, path)
    wanted = {name: setting_of(value, "final" if name in final else "") for name, value in settings.items()}
    replaced = {other for name in (*wanted, *remove) for other in same_setting(name)}
    lines, todo = text.splitlines(), dict(wanted)
    appended: list[str] = []
    for entry in reversed(_entries(text)):
        if entry.name not in replaced:
            continue
        name = next((name for name in todo if entry.name in same_setting(name)), None)
        if name is not None and name == entry.name and before[name] == todo[name]:
            todo.pop(name)
            continue
        old = lines[entry.first : entry.last + 1]
        rest = lines[entry.last + 1 :]
        new = _comments(entry, old)
        if name is not None:
            setting = todo.pop(name)
            new = _rewritten(entry, old, name, setting)
            # A comment on the next line would be read as a part of the flag, which then is none.
            if setting.flag and not isinstance(setting.value, list | dict) and _begins_with_comment(rest):
                new, appended = [], new + appended
        lines = lines[: entry.first] + new + rest
    lines += appended + [
        line for name, setting in todo.items() for line in lines_of(name, setting.value, name in final)
    ]
    after = "\n".join(lines) + "\n" if lines else ""
    expected = {name: setting for name, setting in before.items() if name not in replaced} | wanted
    _require_same(after, path, expected)
    return after


@dataclass(frozen=True)
class _Entry:
    """The position of a key in the text."""

    name: str
    key: Node
    value: Node
    first: int
    last: int


def _entries(text: str) -> list[_Entry]:
    with warnings.catch_warnings(action="ignore"):  # they quote the text, and Python writes them to the terminal
        root = YAML().compose(text)
    return [
        _Entry(str(key.value), key, value, key.start_mark.line, max(key.end_mark.line, _last_line(value)))
        for key, value in (root.value if root is not None else ())
    ]


def _last_line(node: Node) -> int:
    """Return the last line of a value; a block's own mark comes after the comments that follow it."""
    if node.start_mark.index == node.end_mark.index:  # nothing: its mark may stand after comments that follow
        return 0
    if isinstance(node, ScalarNode):
        block = node.style in ("|", ">")
        return int(node.end_mark.line) - (1 if block and node.end_mark.column == 0 else 0)
    if not _is_block(node) or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _rewritten(entry: _Entry, old: list[str], name: str, setting: Setting) -> list[str]:
    """Return the lines of a key with its new value, and with the comments and the unchanged items of the old ones."""
    pinned = setting.flag == "final"
    remark = _remark_of(entry, old)
    above: list[str] = []
    head, *below = lines_of(name, setting.value, pinned)
    if _is_block(entry.value) and isinstance(setting.value, list | dict) and setting.value:
        below = _rewritten_parts(entry, old, setting.value)
        if pinned:  # a comment right below would hide the mark from conda
            above, below = _without_leading_comments(below)
    else:
        above = _comments(entry, old)[bool(remark) :]
    if remark and pinned:
        above = [remark, *above]
    elif remark:
        head += f"  {remark}"
    return [*above, head, *below]


def _rewritten_parts(entry: _Entry, old: list[str], value: list[Any] | dict[str, Any]) -> list[str]:
    """Return the lines of a new list or map: what stays keeps its lines, and comments stay above what they are about.

    The comments of what goes come first.
    """
    first = entry.value.value[0][0] if isinstance(entry.value, MappingNode) else entry.value
    margin = " " * first.start_mark.column
    left = _parts(entry, old)
    lines: list[str] = []
    for one in _items(value):
        part = next((part for part in left if part.value == one), None)
        if part is not None:
            new = list(part.lines)
        else:
            new = indent("\n".join(dumped(one)), margin).splitlines()
            part = next((part for part in left if isinstance(one, dict) and part.name in one), None)
            new[0] += f"  {part.remark}" if part and part.remark else ""
        if part is not None:
            left.remove(part)
            lines += part.comments
        lines += new
    return [comment for part in left for comment in part.comments] + lines


def _without_leading_comments(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the comments and empty lines that come first, and the rest."""
    first = next(number for number, line in enumerate(lines) if line.strip() and not _is_comment(line))
    return lines[:first], lines[first:]


@dataclass(frozen=True)
class _Part:
    """An item of a list or an entry of a map, with the comments above and behind it."""

    name: Any
    #: None when it carries a flag, which makes another setting of it.
    value: Any
    remark: str
    comments: tuple[str, ...]
    lines: tuple[str, ...]


def _parts(entry: _Entry, old: list[str]) -> list[_Part]:
    setting = next(iter(parse("\n".join(old), entry.name).values()))
    found, begin = [], entry.key.end_mark.line - entry.first + 1
    for position, node in enumerate(entry.value.value):
        key, held = node if isinstance(node, tuple) else (node, node)
        name = key.value if isinstance(node, tuple) else position
        part = setting.parts[name]
        plain = {name: part.value} if isinstance(node, tuple) else [part.value]
        first = key.start_mark.line - entry.first
        last = max(first, _last_line(held) - entry.first)
        remark = "" if _is_block(held) else _remark(held, old[held.end_mark.line - entry.first])
        above, lines = tuple(old[begin:first]), tuple(old[first : last + 1])
        found.append(_Part(name, None if any(map(_FLAGGED_LINE.search, lines)) else plain, remark, above, lines))
        begin = last + 1
    return found


def _items(value: list[Any] | dict[str, Any]) -> list[Any]:
    return [{name: one} for name, one in value.items()] if isinstance(value, dict) else [[one] for one in value]


def _comments(entry: _Entry, old: list[str]) -> list[str]:
    """Return what people wrote beside a value that goes."""
    remark = _remark_of(entry, old)
    within = [line for line in old[1:] if _is_comment(line)] if _is_block(entry.value) else []
    return [remark] * bool(remark) + within


def _remark_of(entry: _Entry, old: list[str]) -> str:
    node = entry.key if _is_block(entry.value) else entry.value
    line = node.end_mark.line - entry.first
    return _remark(node, old[line]) if 0 <= line < len(old) else ""


def _remark(node: Node, line: str) -> str:
    """Return the comment behind a node; conda's flags are none."""
    rest = line[node.end_mark.column :].lstrip(" \t:")
    return rest if rest.startswith("#") and not FLAG.fullmatch(rest.strip()) else ""


def _is_block(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style


def _begins_with_comment(lines: list[str]) -> bool:
    return next((_is_comment(line) for line in lines if line.strip()), False)


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _require_same(text: str, path: str, expected: Mapping[str, Setting]) -> None:
    """Refuse a result that does not contain exactly what was there and what is wanted."""
    try:
        found = parse(text, path)
    except EvenkeelError:
        found = {}
    if found != expected:
        raise EvenkeelError(
            f"{path} is written in a way in which single keys cannot be replaced, such as one pair of braces around "
            "all of it, an anchor, or a comment right below a pinned key; it was left as it is",
            "Write one plain key in each line, or use the state exact, which keeps the old file as a backup",
        )
