# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""VS Code's settings, JSON with comments: keys are set, and every other character stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: How deep lists and objects may be within each other.
MOST_DEPTH = 100

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<value>"(?:[^"\\\x00-\x1f]|\\.)*"|[^\s{}\[\],:"/]+)"""
    r"""|(?P<mark>[{}\[\],:])""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A value of one piece, or one of ``{}[],:``, and its position."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Settings:
    """The values by key, the position of each in the text, and the one after the first brace."""

    values: Mapping[str, Any]
    spans: Mapping[str, tuple[int, int]]
    inside: int


class Unreadable(Exception):
    """The text is not a JSON object; the message names the line."""

    def __init__(self, text: str, position: int, problem: str = "is not JSON with comments") -> None:
        super().__init__("line %d %s" % (text.count("\n", 0, position) + 1, problem))


class _Reader:
    """Reads tokens one by one."""

    def __init__(self, text: str) -> None:
        self._text = text.lstrip("\ufeff")
        self._skipped = len(text) - len(self._text)
        self._tokens = self._split()
        self._next = 0

    def settings(self) -> Settings:
        first = self._take()
        if first.text != "{":
            raise self._wrong(first)
        values: dict[str, Any] = {}
        spans: dict[str, tuple[int, int]] = {}
        while (key := self._take()).text != "}":
            values[self._scalar(key)], spans[self._scalar(key)] = self._member()
            self._comma("}")
        if self._next < len(self._tokens):
            raise self._wrong(self._tokens[self._next])
        moved = {name: (start + self._skipped, end + self._skipped) for name, (start, end) in spans.items()}
        return Settings(values, moved, first.end + self._skipped)

    def _member(self, depth: int = 1) -> tuple[Any, tuple[int, int]]:
        colon = self._take()
        if colon.text != ":":
            raise self._wrong(colon)
        first = self._take()
        value = self._value(first, depth)
        return value, (first.start, self._tokens[self._next - 1].end)

    def _value(self, first: Token, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise Unreadable(self._text, first.start, "is nested too deeply")
        if first.text == "{":
            members = {}
            while (key := self._take()).text != "}":
                members[self._scalar(key)] = self._member(depth + 1)[0]
                self._comma("}")
            return members
        if first.text == "[":
            items = []
            while (item := self._take()).text != "]":
                items.append(self._value(item, depth + 1))
                self._comma("]")
            return items
        return self._scalar(first)

    def _comma(self, closing: str) -> None:
        """Take a comma, unless the closing mark comes next; VS Code allows a comma before that."""
        following = self._take()
        if following.text == closing:
            self._next -= 1
        elif following.text != ",":
            raise self._wrong(following)

    def _scalar(self, token: Token) -> Any:
        try:
            return json.loads(token.text)
        except ValueError:
            raise self._wrong(token) from None

    def _take(self) -> Token:
        if self._next == len(self._tokens):
            raise Unreadable(self._text, len(self._text))
        self._next += 1
        return self._tokens[self._next - 1]

    def _wrong(self, token: Token) -> Unreadable:
        return Unreadable(self._text, token.start)

    def _split(self) -> list[Token]:
        tokens, place = [], 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if not found:
                raise Unreadable(self._text, place)
            if found.lastgroup != "blank":
                tokens.append(Token(found[0], place))
            place = found.end()
        return tokens


def parse(text: str) -> Settings:
    """Read settings.

    Raises
    ------
    Unreadable
        They are not a JSON object with comments, which VS Code could not read either.
    """
    return _Reader(text).settings()


def merge(text: str | None, wanted: Mapping[str, Any]) -> str | None:
    """Return the text with the keys of ``wanted`` in it; None and an empty one are a file that is not there.

    Raises
    ------
    Unreadable
        It is not a JSON object with comments, which VS Code could not read either.
    """
    if text is None or not text.strip():
        return json.dumps(wanted, indent=4) + "\n" if wanted else text
    known = parse(text)
    for name in sorted(wanted.keys() & known.spans.keys(), key=lambda name: known.spans[name], reverse=True):
        start, end = known.spans[name]
        text = text[:start] + json.dumps(wanted[name], indent=4) + text[end:]
    fresh = [
        "\n    %s: %s" % (json.dumps(name), json.dumps(wanted[name])) for name in wanted if name not in known.spans
    ]
    if not fresh:
        return text
    rest = text[known.inside :]
    return (
        text[: known.inside]
        + ",".join(fresh)
        + ("," if known.spans else "")
        + ("" if "\n" in rest.rstrip() else "\n")
        + rest
    )
