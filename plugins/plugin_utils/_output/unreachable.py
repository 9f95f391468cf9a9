# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Why a node can't be reached, in the same words for all nodes of which it is the same."""

from __future__ import annotations

import re

#: What Ansible says before ssh's own words.
_BEFORE = re.compile(r"^.* (?:over|via) ssh: (?=\S)", re.DOTALL)
_NAME = re.compile(
    r"(connect to host|resolve hostname|remote host|Connection (?:closed|reset) by(?! remote| peer)|[Cc]onnection to)"
    r" (?:\"[^\"]*\"|\S+?)(?=[:.]?(?:\s|$))"
)
_ACCOUNT = re.compile(r"^(\S+)@\S+(?=: Permission denied)")


def why(message: str) -> str:
    """Return a message of Ansible's without the node's name; of what ssh says, the last line: banners come first."""
    text = message.strip().removeprefix("Task failed: ")
    if before := _BEFORE.match(text):
        text = text[before.end() :].splitlines()[-1]
    return _ACCOUNT.sub(r"\1", _NAME.sub(r"\1", text.strip()))
