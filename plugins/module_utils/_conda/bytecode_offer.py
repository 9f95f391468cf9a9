# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Bytecode that was compiled elsewhere, once for a fleet, and what a node takes of it.

``playbooks/compile.yml`` compiles the packages of a lock in a sandbox. Of each package, an archive has the bytecode in
the layout of a prefix, and a file beside the lock has the archive's hash. Hashes reach a node with its packages, from
the control node; archives come from there or from a store that nobody has to trust. A node takes an archive that has
its hash and holds just the bytecode that it would compile of this very package itself. All else it compiles, so the
environment is the same either way.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_compiler import UNCHECKED_HASH
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import Python, is_bytecode
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import SLACK_BYTES

#: How all bytecode is compiled: not optimized, and never compared with its source.
OPTIONS = "unchecked-hash"
#: How many bytes a byte of an archive may become.
_EXPANSION = 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Archive:
    """The bytecode of one package."""

    sha256: str
    #: In bytes.
    size: int

    @property
    def file(self) -> str:
        """Its name in a store."""
        return "%s.zip" % self.sha256


@dataclass(frozen=True)
class Offer:
    """What was compiled of an environment's packages, and where it is."""

    #: As in the names of bytecode files, such as ``cpython-311``.
    tag: str
    #: What bytecode of this release of Python begins with, in hexadecimal digits.
    magic: str
    #: By the SHA-256 of the package.
    archives: Mapping[str, Archive]
    #: URL of the store; empty where the control node brings archives.
    store: str = ""


def from_mapping(fields: Mapping[str, Any]) -> Offer:
    """Return the offer that ``dataclasses.asdict`` made fields of."""
    archives = {package: Archive(**archive) for package, archive in fields["archives"].items()}
    return Offer(fields["tag"], fields["magic"], archives, fields["store"])


def contents(path: str, python: Python, magic: str) -> Iterator[tuple[str, bytes]]:
    """Yield each file of an archive, its path below a prefix and its bytes; none where its source does not compile.

    Raises
    ------
    ValueError
        It is no archive, or holds something else than bytecode of this Python, or more than it may.
    """
    seen: set[str] = set()
    begins = bytes.fromhex(magic) + UNCHECKED_HASH
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            left = _EXPANSION * os.path.getsize(path) + SLACK_BYTES
            for entry in entries:
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG) or not is_bytecode(entry.filename, python):
                    raise ValueError("it holds %r, which is no bytecode of %s" % (entry.filename, python.tag))
                if entry.filename in seen:
                    raise ValueError("it holds %s twice" % entry.filename)
                if entry.compress_type not in _COMPRESSIONS:
                    raise ValueError("%s is compressed in a way that is not known" % entry.filename)
                seen.add(entry.filename)
                left -= entry.file_size
                if left < 0:
                    raise ValueError("it holds more than it may")
                content = archive.read(entry)
                if content and not content.startswith(begins):
                    raise ValueError("%s is no bytecode for this release of Python" % entry.filename)
                yield entry.filename, content
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, struct.error, UnicodeError) as error:
        raise ValueError("it is no archive that can be read: %s" % error) from None
