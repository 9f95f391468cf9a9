# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Why a node can't be reached, out of what Ansible and ssh say."""

from __future__ import annotations

import re

_BEFORE = re.compile(r"^.* (?:over|via) ssh: (?=\S)", re.DOTALL)
_NAME = re.compile(
    r"(connect to host|resolve hostname|remote host|Connection (?:closed|reset) by(?! remote| peer)|[Cc]onnection to)"
    r" (?:\"[^\"]*\"|\S+?)(?=[:.]?(?:\s|$))"
)
_ACCOUNT = re.compile(r"^(\S+)@\S+(?=: Permission denied)")


def why(message: str) -> str:
    """Return the reason; of what ssh says, the last line, since warnings and banners come first."""
    text = message.strip().removeprefix("Task failed: ")
    if before := _BEFORE.match(text):
        text = text[before.end() :].splitlines()[-1]
    return text.strip()


def why_of_any(message: str) -> str:
    """Return the reason without the node's name: in the same words for all nodes of which it is the same."""
    return _ACCOUNT.sub(r"\1", _NAME.sub(r"\1", why(message)))
