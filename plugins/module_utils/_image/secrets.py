# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Credentials that must not get into an image, in the files that configure conda, pip and uv."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import of_urls

_LARGEST = 1 << 20


def require_none(paths: Iterable[str]) -> None:
    """Refuse files with credentials.

    Raises
    ------
    EvenkeelError
        Names the first one.
    """
    for path in sorted(file for tree in paths for file in _files(tree)):
        with open(path, "rb") as stream:
            if has_credential(stream.read(_LARGEST)):
                raise EvenkeelError(
                    "%s has a password or a token in a URL, and everybody who has an image can read its files" % path,
                    "Take the URL out of the variables of condarc, and give credentials to containers when they run",
                )


def has_credential(content: bytes) -> bool:
    """Return whether a text has a URL with a password or a token.

    >>> has_credential(b"channels: [https://me:secret@conda.example/main]")
    True
    """
    return bool(of_urls(content.decode(errors="replace")))


def _files(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
    for folder, _folders, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names if os.path.isfile(os.path.join(folder, name)))
