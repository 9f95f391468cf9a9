# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the lists of a repository have, and how they are compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File


@dataclass(frozen=True)
class Listed:
    """A repository's lists.

    Parameters
    ----------
    files
        Lists, verbatim.
    warnings
        What an operator has to know of them.
    """

    files: tuple[File, ...]
    packages: tuple[Package, ...]
    warnings: tuple[str, ...] = ()


def _xz(path: str) -> IO[bytes]:
    return lzma.open(path)


def _gzip(path: str) -> IO[bytes]:
    return gzip.open(path)  # type: ignore[return-value]


def _bzip2(path: str) -> IO[bytes]:
    return bz2.open(path)


def _plain(path: str) -> IO[bytes]:
    return open(path, "rb")


#: By a file's ending, how Python's library reads it, the smallest form first; zstd is not among them before 3.14.
OPENERS: dict[str, Callable[[str], IO[bytes]]] = {".xz": _xz, ".gz": _gzip, ".bz2": _bzip2, "": _plain}
