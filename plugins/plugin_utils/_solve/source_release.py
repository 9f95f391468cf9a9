# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A release of which there is only the source, and what makes a wheel of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class SourceRelease:
    """A source archive of an index, or a commit."""

    #: As Python normalises it.
    name: str
    #: Empty for a commit, whose project says it.
    version: str
    #: Of the archive, without credentials; for a commit as pip writes it: ``git+https://HOST/PROJECT@COMMIT``.
    url: str
    #: Of the archive, in hexadecimal digits; empty for a commit.
    sha256: str = ""


#: Returns the path of the wheel of a release for the target that is resolved for; fails where it can't be built.
Build = Callable[[SourceRelease], Path]
