# SPDX-License-Identifier: GPL-3.0-or-later
"""A flat APT repository: packages, their lists and a signature in one folder."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from pathlib import Path

from lab.upstream import signing_keys
from lab.upstream.debian import deb_package
from lab.upstream.os_package import OsPackage
from lab.upstream.signing_keys import Key

LISTS = ("Packages", "Packages.gz")


def write(folder: Path, packages: Iterable[tuple[OsPackage, Path]], key: Key, about: Mapping[str, str]) -> None:
    """Make ``folder`` the repository of packages, each with its file, which is linked into it.

    Parameters
    ----------
    about
        What the repository says of itself: ``Origin``, ``Label``, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for package, file in packages:
        (folder / file.name).hardlink_to(file)
        stanzas.append(stanza(package, file))
    write_lists(folder, stanzas)
    release(folder, key, about)


def write_lists(folder: Path, stanzas: Iterable[str]) -> None:
    """Write the lists of packages, without the signature that makes them valid."""
    text = "\n".join(sorted(stanzas)).encode()
    (folder / "Packages").write_bytes(text)
    (folder / "Packages.gz").write_bytes(gzip.compress(text, mtime=0))


def release(folder: Path, key: Key, about: Mapping[str, str]) -> None:
    """Write the file with the hashes of the lists, and sign it."""
    text = release_text({name: (folder / name).read_bytes() for name in LISTS}, about)
    (folder / "Release").write_text(text)
    (folder / "Release.gpg").write_text(signing_keys.sign(key, text))
    (folder / "InRelease").write_text(signing_keys.clear_sign(key, text))


def stanza(package: OsPackage, file: Path) -> str:
    """Return what the list says of a package."""
    data = file.read_bytes()
    digests = {"MD5sum": "md5", "SHA1": "sha1", "SHA256": "sha256"}
    lines = [f"Filename: ./{file.name}", f"Size: {len(data)}"]
    lines += [
        f"{field}: {hashlib.new(name, data, usedforsecurity=False).hexdigest()}" for field, name in digests.items()
    ]
    return deb_package.control(package) + "\n".join(lines) + "\n"


def release_text(lists: Mapping[str, bytes], about: Mapping[str, str]) -> str:
    """Return the text of ``Release``."""
    head = "".join(f"{field}: {value}\n" for field, value in {**about, "Date": formatdate(usegmt=True)}.items())
    sums = [f" {hashlib.sha256(data).hexdigest()} {len(data):>9} {name}\n" for name, data in sorted(lists.items())]
    return f"{head}SHA256:\n{''.join(sums)}"
