# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the unit starts: the current version of the program, or the one before where the current one can't run.

This file stands alone on the node, and uses nothing but Python's library: whatever a new version breaks, it works.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

CURRENT, PREVIOUS = "current", "previous"
PROGRAM, PYTHON = "evenkeel-pull.pyz", "venv/bin/python"
#: In a version's folder: that a run of it went well, or that it could not run.
WORKS, BROKEN = "works", "broken"
#: How the program ends when it knows how it went.
STATUSES = (0, 3)


def main(arguments: Sequence[str], root: str) -> int:
    """Run the program, and return its exit status."""
    current = os.path.realpath(os.path.join(root, CURRENT))
    status = _run(current, arguments)
    works = os.path.join(current, WORKS)
    if "status" in arguments:  # which shows the last run, and proves nothing of the next one
        return status
    if status == 0 and not os.path.exists(works):
        _touch(works)
    if status in STATUSES or os.path.exists(works):
        return status
    previous = os.path.realpath(os.path.join(root, PREVIOUS))
    if not os.path.isfile(os.path.join(previous, PROGRAM)) or previous == current:
        return status
    sys.stderr.write("%s can't run (status %d): back to %s\n" % (current, status, previous))
    _touch(os.path.join(current, BROKEN))
    temporary = os.path.join(root, ".current.partial")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(os.path.relpath(previous, root), temporary)
    os.rename(temporary, os.path.join(root, CURRENT))
    return _run(previous, arguments)


def _run(version: str, arguments: Sequence[str]) -> int:
    # Links may come to lead elsewhere while it runs.
    python = os.path.join(os.path.realpath(os.path.join(version, "venv")), "bin", "python")
    argv = [sys.executable, "-I", os.path.join(version, PROGRAM), "--python", python, *arguments]
    return subprocess.run(argv, check=False).returncode


def _touch(path: str) -> None:
    try:
        with open(path, "w"):
            pass
    except OSError as error:  # a full disk
        sys.stderr.write("%s\n" % error)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.path.dirname(os.path.realpath(__file__))))
