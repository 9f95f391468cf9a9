# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files of a system whose root may be any directory; what is not there, or not readable, is no information."""

from __future__ import annotations

import os
import re

_MAX_LINKS = 40


class Sysroot:
    """A system, by the directory that is its root; paths are those that it sees itself."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    @property
    def is_own(self) -> bool:
        """Whether it is the system that this runs on, so that its programs can be asked."""
        return os.path.realpath(self.root) == "/"

    def outside(self, path: str) -> str:
        """Return where a path is, as seen from outside; a link that it ends in is not followed."""
        return os.path.join(self.root, path.lstrip("/"))

    def resolve(self, path: str) -> str:
        """Return a path with all links followed, absolute ones from this root, whether it exists or not."""
        done, left, links = "/", [part for part in path.split("/") if part], 0
        while left:
            part = left.pop(0)
            if part == "..":
                done = os.path.dirname(done)
                continue
            candidate = os.path.join(done, part)
            try:
                target = os.readlink(self.outside(candidate))
            except OSError:
                done = candidate if part != "." else done
                continue
            links += 1
            if links > _MAX_LINKS:
                return candidate
            done = "/" if target.startswith("/") else done
            left = [piece for piece in target.split("/") if piece] + left
        return done

    def exists(self, path: str) -> bool:
        return os.path.exists(self.outside(self.resolve(path)))

    def binary(self, path: str) -> bytes:
        try:
            with open(self.outside(self.resolve(path)), "rb") as stream:
                return stream.read()
        except OSError:
            return b""

    def text(self, path: str) -> str:
        return self.binary(path).decode("utf-8", "replace").strip()

    def names(self, path: str, pattern: str = "") -> list[str]:
        """Return the names in a directory that a regular expression matches from their beginning, in order."""
        try:
            return sorted(name for name in os.listdir(self.outside(self.resolve(path))) if re.match(pattern, name))
        except OSError:
            return []

    def link(self, path: str) -> str:
        """Return what a link says, or an empty string."""
        try:
            return os.readlink(self.outside(path))
        except OSError:
            return ""
