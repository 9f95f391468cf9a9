# SPDX-License-Identifier: GPL-3.0-or-later
"""The package cache: fetching archives, checking them, knowing what is there."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .condarc import Settings
from .errors import (
    ChecksumMismatchError,
    CondaError,
    CondaHTTPError,
    CondaMultiError,
    NoSpaceLeftError,
    NoWritablePkgsDirError,
    OfflineError,
)
from .records import Record, stem

CHUNK = 1 << 20
Hashes = dict[str, str]


class PackageCache:
    """The first package cache that this user may write."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = self._first_writable()

    @property
    def indexes(self) -> Path:
        """Where channels' indexes are kept; not with others, since py-rattler's files are for their owner alone."""
        shared = self.folder.stat().st_uid != os.geteuid()
        return self.settings.home / ".cache" / "conda" / "indexes" if shared else self.folder / "cache"

    def archive(self, record: Record) -> Path:
        """Return where the archive of a package is, or would be."""
        return self.folder / str(record["fn"])

    def extracted(self, record: Record) -> Path:
        """Return where a package is unpacked, or would be."""
        return self.folder / stem(record)

    def holds(self, record: Record) -> bool:
        """Whether the package is unpacked here and is the very one of this URL and these hashes."""
        there = self.remembered(record)
        return there is not None and all(
            there.get(field) == record[field] for field in ("url", "sha256", "md5") if record.get(field)
        )

    def remembered(self, record: Record) -> Record | None:
        """Return what was noted about the unpacked package of this name, version and build."""
        try:
            note: Record = json.loads((self.extracted(record) / "info" / "repodata_record.json").read_text())
        except (OSError, ValueError):
            return None
        return note

    def remember(self, record: Record) -> None:
        """Note where an unpacked package came from."""
        note = self.extracted(record) / "info" / "repodata_record.json"
        note.unlink(missing_ok=True)
        note.write_text(json.dumps(record, indent=2))
        urls = self.folder / "urls.txt"
        known = urls.read_text().splitlines() if urls.exists() else []
        if record["url"] not in known:
            with urls.open("a") as file:
                file.write(f"{record['url']}\n")

    def fetch(self, records: Sequence[Record]) -> dict[str, Hashes]:
        """Bring the archives of ``records`` into the cache and return their hashes by URL.

        What comes over the network is checked; a ``file:`` URL is not, as conda does not.

        Raises
        ------
        CondaMultiError
            Some could not be fetched or have another hash than their record says.
        """
        with ThreadPoolExecutor(max_workers=int(self.settings.value("fetch_threads") or 5)) as pool:
            results = list(pool.map(self._try_to_fetch, records))
        errors = [result for result in results if isinstance(result, CondaError)]
        if errors:
            raise CondaMultiError(errors)
        hashes = [result for result in results if isinstance(result, dict)]
        return {str(record["url"]): found for record, found in zip(records, hashes, strict=True)}

    def _try_to_fetch(self, record: Record) -> Hashes | CondaError:
        try:
            return self._fetch(record)
        except CondaError as error:
            return error

    def _fetch(self, record: Record) -> Hashes:
        url, target = str(record["url"]), self.archive(record)
        local = url.startswith("file:")
        if self.settings.value("offline") and not local:
            raise OfflineError(f"The network is switched off, and {target.name} is not in a package cache.")
        if (self.extracted(record) / "info").exists():
            shutil.rmtree(self.extracted(record))
        partial = target.with_name(f"{target.name}.partial")
        hashes = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
        try:
            with open_url(url, self.settings) as source, partial.open("wb") as copy:
                while chunk := source.read(CHUNK):
                    copy.write(chunk)
                    for digest in hashes.values():
                        digest.update(chunk)
        except OSError as error:
            partial.unlink(missing_ok=True)
            if error.errno == errno.ENOSPC:
                raise NoSpaceLeftError(repr(error)) from error
            raise
        found = {kind: digest.hexdigest() for kind, digest in hashes.items()}
        for kind in ("sha256", "md5"):
            expected = record.get(kind)
            if expected and expected != found[kind] and not local:
                partial.unlink()
                raise ChecksumMismatchError(url, target, kind, expected, found[kind])
        partial.replace(target)
        return found

    def _first_writable(self) -> Path:
        for folder in self.settings.pkgs_dirs:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "urls.txt").touch()
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise NoSpaceLeftError(repr(error)) from error
                continue
            if os.access(folder, os.W_OK):
                return folder
        raise NoWritablePkgsDirError(self.settings.pkgs_dirs)


def open_url(url: str, settings: Settings) -> Any:
    """Open ``url`` for reading.

    Raises
    ------
    CondaHTTPError
        The server can't be reached or refuses.
    """
    attempts = 1 if url.startswith("file:") else int(settings.value("remote_max_retries")) + 1
    for _ in range(attempts):
        try:
            return urllib.request.urlopen(url, timeout=float(settings.value("remote_read_timeout_secs")))  # noqa: S310
        except urllib.error.HTTPError as error:
            raise CondaHTTPError(url, error.code, error.reason.upper()) from error
        except (OSError, http.client.HTTPException) as error:
            failure = error
    raise CondaHTTPError(url, "000", "CONNECTION FAILED") from failure
