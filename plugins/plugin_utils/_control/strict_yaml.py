# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""YAML files that people write: a mistake is an error with its line, and nothing is guessed."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.yaml_limits import Excess, Limits, require_limits

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

#: Far above the largest lock file.
MOST_BYTES = 64 << 20
_UNHASHABLE = "found unhashable key"
_TWICE = "twice"
_ANOTHER = "for the number"
#: How git marks where two branches differ.
_CONFLICT = re.compile("^<{7} ", re.MULTILINE)
#: What PyYAML says of a text with several documents.
_SEVERAL = "expected a single document in the stream"
LIMITS = Limits(values=5_000_000, depth=50, characters=1 << 20)


class _Loader(SafeLoader):
    """Refuses a key that a mapping has twice, and what would grow beyond all limits."""

    def get_single_node(self) -> yaml.Node | None:
        root: yaml.Node | None = super().get_single_node()
        if root is not None:
            require_limits(root, LIMITS)
        return root

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _unused in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the mapping has the key {key.value!r} {_TWICE}", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _ExactLoader(_Loader):
    """Refuses a number too that is written otherwise than it would be as text."""

    def construct_number(self, node: yaml.ScalarNode) -> int:
        value: int = self.construct_yaml_int(node)
        if str(value) != node.value:  # 12:30, 0777, 1_000
            raise yaml.constructor.ConstructorError(
                None, None, f"YAML takes {node.value} {_ANOTHER} {value}", node.start_mark
            )
        return value


_ExactLoader.add_constructor("tag:yaml.org,2002:int", _ExactLoader.construct_number)


def read_text(path: Path, errors: str = "strict") -> str:
    """Return the text of a file, in UTF-8 or in the UTF-16 that Windows PowerShell writes; without the mark of either.

    Parameters
    ----------
    path
        The file.
    errors
        What to do about bytes that are no such text, as of ``bytes.decode``.

    Raises
    ------
    EvenkeelError
        It cannot be read, is no file or too large, or is no such text.
    """
    try:
        content = _content(path)
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig", errors)
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except IsADirectoryError:
        raise _no_file(path, "a folder") from None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.is_symlink():
            raise EvenkeelError(
                f"{path} is a link to {path.readlink()}, which is not there", "Restore that file, or remove the link"
            ) from None
        raise EvenkeelError(
            f"{path} could not be read: {error.strerror}", "Check the path, on the machine where you run this"
        ) from None
    except UnicodeError as error:
        raise EvenkeelError(
            f"{path} is not text in UTF-8: {getattr(error, 'reason', error)}",
            "Check that it is the right file, and save it in UTF-8",
        ) from None


def _no_file(path: Path, kind: str) -> EvenkeelError:
    return EvenkeelError(
        f"{path} is {kind}, no regular file",
        "Put a file in its place, or check the path, on the machine where you run this",
    )


def _content(path: Path) -> bytes:
    """Return what a file holds, without waiting for one that is a pipe or a device."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise _no_file(path, "a named pipe" if stat.S_ISFIFO(mode) else "a device")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise EvenkeelError(
            f"{path} is larger than {MOST_BYTES >> 20} MiB, which no such file is", "Check that it is the right file"
        )
    return content


def read_mapping(path: Path) -> dict[str, Any]:
    """Return what a YAML file of keys and values holds; all who read the same text share it and must not change it.

    Raises
    ------
    EvenkeelError
        It cannot be read, is malformed (with the line), over a limit or no mapping.
    """
    return parsed(path, read_text(path))


@lru_cache(maxsize=64)
def parsed(path: Path, text: str, *, exact_numbers: bool = False) -> dict[str, Any]:
    """Return what the text of a YAML file of keys and values holds; otherwise like ``read_mapping``.

    With ``exact_numbers``, a number such as 0777 or 12:30 is malformed, which would be another one as text.
    """
    try:
        content = yaml.load(text, _ExactLoader if exact_numbers else _Loader)  # noqa: S506 (derived from the safe loader)
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        what = "another document begins" if error.context == _SEVERAL else error.problem or error.context
        raise EvenkeelError(f"{path}{place}: {what}", _way_out(error, text)) from None
    except Excess as error:
        raise EvenkeelError(f"{path}, line {error.line}: {error.problem}", "Correct the file's YAML") from None
    except (yaml.YAMLError, ValueError) as error:
        raise EvenkeelError(f"{path}: {error}", "Correct the file's YAML") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise EvenkeelError(f"{path} does not hold keys and values", "Check that it is the right file")
    return content


def _way_out(error: yaml.MarkedYAMLError, text: str) -> str:
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return f"Resolve the merge conflict in line {line}; of a lock, take one side and lock again"
    if error.context == _SEVERAL:
        return "Put each document into a file of its own"
    if isinstance(error, yaml.constructor.ConstructorError):
        if str(error.problem).endswith(_TWICE):
            return "Join both into one"
        if written := re.fullmatch(f"YAML takes (.*) {_ANOTHER} .*", str(error.problem)):
            return f"Write it in quotes: '{written[1]}'"
        if error.problem == _UNHASHABLE:  # mostly {{ }} without quotes
            return "Write the value of a template's variable, or render the template first; other keys must be texts"
        return "Correct the file's YAML"
    if error.problem_mark is not None and _begins_with_a_tab(text.splitlines(), error.problem_mark.line):
        return "Indent the line with spaces; YAML takes no tabs there"
    return "Look at this line and the one above for a wrong indent, a missing space behind - or :, or an open quote"


def _begins_with_a_tab(lines: list[str], number: int) -> bool:
    line = lines[number] if number < len(lines) else ""
    return "\t" in line[: len(line) - len(line.lstrip())]
