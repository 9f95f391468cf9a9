# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ubuntu's archive shares with Debian's, taken from the latter as the lab has it: compilers, DKMS and their like.

Nodes that pass for Ubuntu are made of Debian's files, so these packages fit. Debian's kernels are left out.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from pathlib import Path

from lab import cache, paths
from lab.upstream.debian import debian_archive

_KERNELS = re.compile(r"^Package: linux-(image|headers|kbuild|compiler)", re.MULTILINE)
_FILE = re.compile(r"^Filename: (.+)$", re.MULTILINE)


def key(suite: str) -> str:
    """Return what decides which packages there are."""
    lists = _lists(suite)
    has = sorted(path.name for path in lists.glob(f".has-{debian_archive.TOOLS}-*"))
    return f"{cache.published(lists)} {has}"


def stanzas(suite: str) -> Iterator[str]:
    """Return what Debian's list says of the packages that the lab has."""
    text = lzma.decompress((_lists(suite) / "main" / "binary-amd64" / "Packages.xz").read_bytes()).decode()
    for stanza in text.rstrip().split("\n\n"):
        file = _FILE.search(stanza)
        if file and not _KERNELS.search(stanza) and (paths.DEBIAN / file[1]).exists():
            yield stanza + "\n"


def _lists(suite: str) -> Path:
    return paths.DEBIAN / "dists" / suite
