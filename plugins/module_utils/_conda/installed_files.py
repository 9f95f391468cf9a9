# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which files the packages of an environment brought, by conda's records and pip's RECORD files."""

from __future__ import annotations

import base64
import contextlib
import csv
import glob
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

META = "conda-meta"
#: In an environment: where the links of conda's packages lead, path to SHA-256 of the target; no record has it.
LINKS = os.path.join(META, "evenkeel-links")


class InstalledFile(NamedTuple):
    """One file or symbolic link of a package; a named tuple, since an environment has tens of thousands."""

    #: Relative to the environment's prefix.
    path: str
    #: Of the content, or of a link's target, as it is in this very environment; empty when nobody wrote it down.
    sha256: str
    #: In bytes, before the prefix was written into it.
    size: int = 0
    link: bool = False
    #: Whether the installer wrote the environment's own prefix into it.
    rewritten: bool = False
    #: Bytecode that the installer compiled, or tried to.
    compiled: bool = False


def records(prefix: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield file name and content of conda's records; None in place of what can't be understood."""
    for path in sorted(glob.glob(os.path.join(glob.escape(prefix), META, "*.json"))):
        record = None
        with open(path, encoding="utf-8") as stream, contextlib.suppress(ValueError):
            record = json.load(stream)
        yield os.path.basename(path), record if isinstance(record, dict) and "name" in record else None


def emptied(prefix: str) -> list[str]:
    """Return the files, relative to ``prefix``, that are empty and were not brought so; nothing is read but records."""
    known = [record for _name, record in records(prefix) if record]
    site = next((site_packages(record) for record in known if record["name"] == "python"), "site-packages")
    files = [file for record in known for file in of_conda(record, site)]
    for distribution in pip_distributions(prefix, (file.path for file in files)):
        with contextlib.suppress(ValueError):
            files += of_pip(prefix, distribution)
    # Of packages that claim the same path, any may have won.
    empty = {file.path for file in files if file.link or not file.size}
    brought = {file.path: None for file in files if file.path not in empty}
    return [path for path in brought if _is_empty(os.path.join(prefix, path))]


def site_packages(python: Mapping[str, Any]) -> str:
    """Return the directory, relative to the prefix, that the Python of this record looks for packages in."""
    version = ".".join(str(python.get("version", "")).split(".")[:2])
    return python.get("python_site_packages_path") or "lib/python%s/site-packages" % version


def of_conda(record: Mapping[str, Any], site: str) -> Iterator[InstalledFile]:
    """Yield the files of a conda package; ``site`` is the environment's ``site_packages``."""
    entries = (record.get("paths_data") or {}).get("paths")
    if not entries:
        for path in record.get("files") or ():
            yield InstalledFile(path, "", compiled=path.endswith(".pyc"))
        return
    noarch = record.get("noarch") == "python"
    for entry in entries:
        path = in_prefix(entry["_path"], site) if noarch else entry["_path"]
        kind = entry.get("path_type")
        if kind == "directory":
            continue
        sha256 = entry.get("sha256_in_prefix") or entry.get("sha256") or ""
        if kind == "softlink" and not entry.get("sha256_in_prefix"):
            sha256 = _target_hash(os.path.join(record.get("extracted_package_dir") or "", entry["_path"]))
        yield InstalledFile(
            path,
            sha256,
            size=entry.get("size_in_bytes") or 0,
            link=kind == "softlink",
            rewritten=bool(entry.get("prefix_placeholder")),
            compiled=kind == "pyc_file",
        )


def in_prefix(path: str, site: str) -> str:
    """Return where the file of a package for every Python is linked; conda's records do not have it."""
    if path.startswith("site-packages/"):
        return site + path[len("site-packages") :]
    if path.startswith("python-scripts/"):
        return "bin" + path[len("python-scripts") :]
    return path


def links_of(prefix: str) -> dict[str, str]:
    """Return where the links of conda's packages lead, path to SHA-256 of the target, as it was noted when built.

    Raises
    ------
    ValueError
        The file is damaged.
    """
    try:
        with open(os.path.join(prefix, LINKS), encoding="utf-8") as stream:
            return dict(json.load(stream))
    except FileNotFoundError:
        return {}
    except TypeError as error:
        raise ValueError(str(error)) from error


def of_pip(prefix: str, distribution: str) -> list[InstalledFile]:
    """Return the files of a distribution; ``distribution`` is its ``*.dist-info``, relative to ``prefix``.

    Raises
    ------
    ValueError
        Its RECORD can't be understood.
    """
    files = []
    try:
        with open(
            os.path.join(prefix, distribution, "RECORD"), encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            for row in filter(None, csv.reader(stream)):
                path, signature, size = (*row, "", "", "")[:3]
                path = os.path.normpath(os.path.join(os.path.dirname(distribution), path))
                if path.startswith(("/", "..")):
                    continue
                algorithm, _unused, encoded = signature.partition("=")
                sha256 = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True).hex()
                if algorithm != "sha256":
                    sha256 = ""
                compiled = path.endswith(".pyc") and not sha256
                files.append(InstalledFile(path, sha256, size=int(size or 0), compiled=compiled))
    except FileNotFoundError:
        return []
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return files


def pip_distributions(prefix: str, known: Iterable[str]) -> list[str]:
    """Return the ``*.dist-info`` directories, relative to ``prefix``, that hold none of the ``known`` paths."""
    taken = {os.path.dirname(path) for path in known if ".dist-info/" in path}
    pattern = os.path.join(glob.escape(prefix), "lib", "python*", "site-packages", "*.dist-info")
    found = (os.path.relpath(path, prefix) for path in glob.glob(pattern))
    return sorted(path for path in found if path not in taken)


def _is_empty(path: str) -> bool:
    try:
        return os.lstat(path).st_size == 0
    except OSError:
        return False


def _target_hash(link: str) -> str:
    """Return the hash of a link's target; empty when the package cache has the link no more."""
    try:
        return hashlib.sha256(os.fsencode(os.readlink(link))).hexdigest()
    except OSError:
        return ""
