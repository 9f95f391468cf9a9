# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Why a node can't be reached, in the same words for all nodes of which it is the same."""

from __future__ import annotations

import re

#: What Ansible says before ssh's own words.
_BEFORE = re.compile(r"^.* over ssh: (?=\S)|^Task failed: ", re.DOTALL)
_NAME = re.compile(r"(connect to host|resolve hostname|remote host) (?:\"[^\"]*\"|\S+?)(?=[:.]?(?:\s|$))")


def why(message: str) -> str:
    """Return a message of Ansible's without the node's name."""
    return _NAME.sub(r"\1", _BEFORE.sub("", message.strip()).strip())
