# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""An archive of a project, unpacked into a folder that nothing of it leaves."""

from __future__ import annotations

import os
import tarfile
import zlib

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.tree import stays_inside

_REMEDY = "Keep files themselves in the repository, and links within it, and make the bundle anew"


def unpack(archive: str, target: str) -> None:
    """Unpack a ``.tar.gz``; only its files, folders and links within it are taken, and of modes only who may run it.

    Raises
    ------
    EvenkeelError
        It is damaged, or something in it would leave the folder.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            _require_inside(archive, members)
            for member in members:
                path = os.path.join(target, member.name)
                if member.isdir():
                    make_directories(path)
                    continue
                make_directories(os.path.dirname(path))
                if member.issym():
                    os.symlink(member.linkname, path)
                else:
                    _write(tar, member, path)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise EvenkeelError("%s can't be unpacked: %s" % (archive, error), "Make the bundle anew") from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ReadError("%s is no file" % member.name)
    with source, open(path, "xb") as stream:
        while chunk := source.read(1 << 20):
            stream.write(chunk)
    os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)


def _require_inside(archive: str, members: list[tarfile.TarInfo]) -> None:
    """Refuse names and links that lead out, what is neither file nor folder nor link, and what is below no folder."""
    links = {member.name: member.linkname for member in members if member.issym()}
    seen: set[str] = set()
    for member in members:
        name = member.name
        above = {name[:at] for at, letter in enumerate(name) if letter == "/"}
        right = (
            (member.isfile() or member.isdir() or member.issym())
            and name not in seen
            and os.path.normpath(name) == name
            and not name.startswith(("/", ".."))
            and not above.intersection(links)
            and (not member.issym() or stays_inside(name, links))
        )
        if not right:
            raise EvenkeelError("%s holds %r, which would leave its folder or is no file" % (archive, name), _REMEDY)
        seen.add(name)
