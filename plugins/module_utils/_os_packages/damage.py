# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which packages lack files that they have brought, or have other ones in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command

_VERIFY = {"apt": ("dpkg", "--verify"), "dnf": ("rpm", "--verify", "--nodeps", "--noscripts")}
#: A file that is gone or has another content. Both managers write ``c`` before files of settings, which are a user's.
#: Small images have dpkg leave documentation out.
_DAMAGED = re.compile(r"^(?:missing|..5\S*) +(?!/usr/share/(?:doc|info|lintian|locale|man)\b)/", re.MULTILINE)


def damaged(names: Iterable[str], manager: str) -> list[str]:
    """Return those of the installed packages whose files are not as they came; settings don't count.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``.
    """
    return [name for name in names if _DAMAGED.search(command.run([*_VERIFY[manager], name]).output)]
