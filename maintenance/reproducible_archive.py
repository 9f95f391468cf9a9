# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a collection's archive again, so that one commit gives the same bytes wherever and whenever it is built.

``ansible-galaxy collection build`` takes the order of the files from the disk, and times from the clock.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from operator import attrgetter, itemgetter
from pathlib import Path

_MANIFEST, _FILES = "MANIFEST.json", "FILES.json"


def rewrite(archive: Path, time: int) -> None:
    """Sort what is in an archive, and set all of its times."""
    with tarfile.open(archive) as packed:
        members = sorted(packed, key=attrgetter("name"))
        regular = (member for member in members if member.isfile())
        contents = {member.name: file.read() for member in regular if (file := packed.extractfile(member))}
    files = json.loads(contents[_FILES])
    files["files"].sort(key=itemgetter("name"))
    contents[_FILES] = json.dumps(files, indent=1).encode()
    manifest = json.loads(contents[_MANIFEST])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(contents[_FILES]).hexdigest()
    contents[_MANIFEST] = json.dumps(manifest, indent=1).encode()
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=time) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as packed,
    ):
        for member in members:
            content = contents.get(member.name, b"")
            member.mtime, member.size, member.pax_headers = time, len(content), {}
            packed.addfile(member, io.BytesIO(content))
