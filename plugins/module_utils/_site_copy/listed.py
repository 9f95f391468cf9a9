# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the lists of a repository have, and how they are compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
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


def _zstd(path: str) -> IO[bytes]:
    """Return the content by the program zstd, since Python's library has none before 3.14."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        done = subprocess.run(
            ["zstd", "--decompress", "--stdout", path], stdin=subprocess.DEVNULL, stdout=stream, check=False
        )
    except FileNotFoundError:
        raise EvenkeelError(
            "A list of a repository is compressed by zstd alone, and there is no program zstd",
            "Install the package zstd",
        ) from None
    if done.returncode != 0:
        raise EvenkeelError(
            "%s can't be read: zstd ended with status %d" % (path, done.returncode), "Check the upstream"
        )
    stream.seek(0)
    return stream


#: By a file's ending, how it is read; what needs a program is last.
OPENERS: dict[str, Callable[[str], IO[bytes]]] = {".xz": _xz, ".gz": _gzip, ".bz2": _bzip2, "": _plain, ".zst": _zstd}
