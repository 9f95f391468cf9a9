# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What opens a notebook server: a token, made on the node, and the hash of a password where there is one."""

from __future__ import annotations

import re
import secrets

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

# An empty one would turn authentication off, and white space can't be sent.
_TOKEN = re.compile(r"[\x21-\x7e]+")
#: A shorter one on the node is the rest of a damaged file; what is made here has 43 characters.
_SHORTEST = 32
#: The file belongs to the user, who may have put anything else there.
_LONGEST = 1024
_HASH = re.compile(r"argon2:\$argon2id?\$[\x21-\x7e]+")


def token(current: str | None, given: str | None, user: str) -> str:
    """Return the token to have: the one that is given, else the one that is there and whole, else a new one.

    Raises
    ------
    EvenkeelError
        The given one can't be a token.
    """
    if given is None:
        whole = current and _SHORTEST <= len(current) <= _LONGEST and _TOKEN.fullmatch(current)
        return current if current and whole else secrets.token_urlsafe(_SHORTEST)
    if not _TOKEN.fullmatch(given):
        raise EvenkeelError(
            "The token of %s is empty, or holds white space or characters outside ASCII" % user,
            "Give a long random one, or none to have one made on the node",
        )
    return given


def check_hash(hashed: str, user: str) -> None:
    """Require a password's hash as Jupyter writes it, of the kind that is costly to guess.

    Raises
    ------
    EvenkeelError
        It is not an argon2 hash.
    """
    if not _HASH.fullmatch(hashed):
        raise EvenkeelError(
            "hashed_password of %s is not an argon2 hash" % user,
            "Make one with `jupyter server password`, which begins with argon2:, or give the password in a vault",
        )
