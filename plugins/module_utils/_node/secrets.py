# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What is not shown to anybody: credentials in URLs and private keys, in texts, differences and results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

HIDDEN = "********"

_USER = re.compile(r"(?<=://)[^/\s]+(?=@)")
_TOKEN = re.compile(r"(?<=/t/)[^/\s\"',\]}]+")
_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n).*?(?=-----END|\Z)", re.DOTALL)
#: conda takes these from the environment of the user who runs it; they are no secrets.
_VARIABLES = re.compile(r"(\$\{?\w+\}?:?)+")
#: Ansible hides a secret wherever it stands, in words that have nothing to do with it too.
_SHORTEST = 8


def masked(text: str) -> str:
    """Return ``text`` without the passwords and tokens of its URLs, and without private keys."""
    for pattern in (_USER, _TOKEN):
        text = pattern.sub(lambda found: found[0] if _VARIABLES.fullmatch(found[0]) else HIDDEN, text)
    return _KEY.sub(r"\1%s\n" % HIDDEN, text)


def without_user(url: Any) -> Any:
    """Return what was meant as a URL, and may be none, without what stands before its ``@``."""
    user, at, rest = url.rpartition("@") if isinstance(url, str) else ("", "", "")
    return HIDDEN + at + rest if user else url


def of_urls(value: Any) -> set[str]:
    """Return the passwords and tokens of the URLs in a value, for ``AnsibleModule.no_log_values``."""
    found = (match[0] for text in _texts(value) for pattern in (_USER, _TOKEN) for match in pattern.finditer(text))
    return {secret for secret in found if not _VARIABLES.fullmatch(secret)}


def long_enough(texts: Iterable[str]) -> set[str]:
    """Return what can be given to ``AnsibleModule.no_log_values`` and leaves other words as they are."""
    return {text for text in texts if len(text) >= _SHORTEST}


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text without what is secret, where that is long enough to stand for nothing else."""
    for secret in sorted(long_enough(secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(name)
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)
