# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal's screen, as far as Evenkeel's output uses it, with the lines that have left it at the top."""

from __future__ import annotations

import re

_PIECES = re.compile(
    r"\x1b\[(?P<parameters>[?\d;]*)(?P<command>[A-Za-z])|(?P<control>[\r\n\x07])|(?P<text>[^\x1b\r\n\x07]+)"
    r"|\x1b\[(?=[\r\x1b])|\x1b\[?[?\d;]*$"  # what a control character ends, and the beginning of what is yet to come
)


class Screen:
    """What somebody sees who has watched some output."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.height = columns, lines
        self.lines = [""]
        self._row = self._column = 0
        self._wraps = True

    def feed(self, output: str) -> Screen:
        """Take output."""
        at = 0
        while found := _PIECES.match(output, at):
            at = found.end()
            if found["text"]:
                self._write(found["text"])
            elif found["control"] == "\n":
                self._down()
            elif found["control"] == "\r":
                self._column = 0
            elif found["command"]:
                self._obey(found["parameters"], found["command"])
        assert at == len(output), repr(output[at : at + 20])
        return self

    @property
    def seen(self) -> list[str]:
        """All lines, without spaces at their end."""
        return [line.rstrip() for line in self.lines]

    def _write(self, text: str) -> None:
        for letter in text:
            if self._column == self.columns:
                if not self._wraps:
                    self._column -= 1
                else:
                    self._down()
                    self._column = 0
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + letter + line[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    def _obey(self, parameters: str, command: str) -> None:
        if command == "A":
            self._row = max(self._row - int(parameters or 1), len(self.lines) - self.height, 0)
        elif command == "K":
            self.lines[self._row] = self.lines[self._row][: self._column]
        elif command == "J":
            self.lines[self._row] = self.lines[self._row][: self._column]
            del self.lines[self._row + 1 :]
        elif (parameters, command) in (("?7", "l"), ("?7", "h")):
            self._wraps = command == "h"
        else:
            assert command == "m", (parameters, command)  # colours
