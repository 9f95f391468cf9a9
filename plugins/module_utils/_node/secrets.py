# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Mask secrets in texts, diffs and results: credentials in URLs, and private keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

HIDDEN = "********"

_USER = re.compile(r"(?P<before>://)(?P<secret>[^/\s]+)(?=@)")
#: Of a channel. An index may have a folder for each letter: in /source/t/tqdm/tqdm-4.66.1.tar.gz is none.
_TOKEN = re.compile(
    r"(?P<before>/t/)(?!(?P<word>[a-z0-9]+)(?![a-z0-9])[^/\s]*/(?P=word)[^/\s]*-\d)(?P<secret>[^/\s\"',\]}]+)",
    re.IGNORECASE,
)
_QUERY = re.compile(
    r"(?P<before>[?&](?:[\w.-]{0,40}(?:token|secret|passw|signature|credential|api_?key|access_?key)[\w.-]{0,40}"
    r"|(?:[\w.-]{0,40}[_-])?(?:auth|authorization|jwt|key|pwd|sig))=)(?P<secret>[^&#\s\"',\]}]+)",
    re.IGNORECASE,
)
_SSH = re.compile(r"(git\+)?ssh://")
_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n).*?(?=-----END|\Z)", re.DOTALL)
#: conda takes variables from the environment of the user who runs it, and git is the user of Git's hosts over ssh;
#: they are not secrets.
_VARIABLES = re.compile(r"(\$\{?\w+\}?:?)+|git")
#: Ansible masks a secret wherever its characters occur, also within unrelated words.
_SHORTEST = 8


def masked(text: str) -> str:
    """Return ``text`` without the passwords and tokens of its URLs, and without private keys."""
    for pattern in (_USER, _TOKEN, _QUERY):
        text = pattern.sub(
            lambda found: found[0] if _VARIABLES.fullmatch(found["secret"]) else found["before"] + HIDDEN, text
        )
    return _KEY.sub(r"\1%s\n" % HIDDEN, text)


def carries_credentials(url: str) -> bool:
    """Return whether a URL has a user, a password or a token, or variables for them.

    Over ssh, a user without a password is part of the address.

    >>> carries_credentials("https://wheels.example/simple?private_token=secret")
    True
    """
    user = _USER.search(url)
    is_account = user and _SSH.match(url) and ":" not in user["secret"]
    of_channel = url.startswith("http") and _TOKEN.search(url)
    return bool((user and not is_account) or of_channel or _QUERY.search(url))


def without_user(url: Any) -> Any:
    """Return a URL, or what was meant as one, with everything before its ``@`` masked."""
    user, at, rest = url.rpartition("@") if isinstance(url, str) else ("", "", "")
    return HIDDEN + at + rest if user else url


def of_urls(value: Any) -> set[str]:
    """Return the passwords and tokens of the URLs in a value, for ``AnsibleModule.no_log_values``."""
    patterns = (_USER, _TOKEN, _QUERY)
    found = (match["secret"] for text in texts_in(value) for one in patterns for match in one.finditer(text))
    return {secret for secret in found if not _VARIABLES.fullmatch(secret)}


def long_enough(texts: Iterable[str]) -> set[str]:
    """Return those that can be given to ``AnsibleModule.no_log_values`` without masking unrelated words."""
    return {text for text in texts if len(text) >= _SHORTEST}


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with secrets masked, except those that are too short to distinguish from other words."""
    for secret in sorted(long_enough(secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts within a value, names of keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from texts_in(name)
            yield from texts_in(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts_in(one)
