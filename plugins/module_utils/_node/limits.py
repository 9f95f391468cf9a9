# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Limits for programs and libraries that read whatever a server sends."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator

#: What no index and no wheel needs.
FILE_BYTES = 4 << 30
MEMORY_BYTES = 8 << 30


@contextlib.contextmanager
def limited(file_bytes: int = 0) -> Iterator[None]:
    """Let this process, and those that it starts within, take no more memory than an index can need.

    Parameters
    ----------
    file_bytes
        How large the files may be that they write; 0 sets no limit. A write beyond it fails, except in a program that
        was started with its signals restored, which ends.
    """
    memory = min(MEMORY_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    with _soft(resource.RLIMIT_DATA, memory), _soft(resource.RLIMIT_FSIZE, file_bytes):
        yield


@contextlib.contextmanager
def _soft(kind: int, most: int) -> Iterator[None]:
    """Lower a soft limit for a while."""
    before, hard = resource.getrlimit(kind)
    known = [limit for limit in (most or resource.RLIM_INFINITY, before, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min(known, default=resource.RLIM_INFINITY), hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (before, hard))
