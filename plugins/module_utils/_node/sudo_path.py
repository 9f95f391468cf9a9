# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where sudo looks for commands."""

from __future__ import annotations

import glob
import os
import re

_SECURE_PATH = re.compile(r"^[ \t]*Defaults\s[^#\n]*\bsecure_path\s*=\s*(?:\"([^\"\n]*)\"|([^\s,#]+))", re.MULTILINE)


def secure_path(etc: str = "/etc") -> tuple[str, ...] | None:
    """Return the directories of ``secure_path``; None where sudo keeps the caller's PATH, or that is not known.

    As sudo does, it reads ``sudoers`` and then the files of ``sudoers.d`` whose names have no dot and no tilde.
    """
    files = [os.path.join(etc, "sudoers"), *sorted(glob.glob(os.path.join(glob.escape(etc), "sudoers.d", "*")))]
    found = None
    for path in files:
        if path != files[0] and re.search(r"\.|~$", os.path.basename(path)):
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        for match in _SECURE_PATH.finditer(text):
            found = tuple(filter(None, (match[1] or match[2] or "").split(":")))
    return found
