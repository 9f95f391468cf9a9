# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a file may end in a commit by accident."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git


def by_git(path: Path) -> bool:
    """Return whether no commit takes a file along: git ignores it, or it is in no work tree."""
    try:
        git.ask(path.parent, "rev-parse", "--show-toplevel")
    except git.GitError:
        return True
    try:
        git.ask(path.parent, "check-ignore", "--quiet", path.name)
    except git.GitError:
        return False
    return True
