# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Downloads into the store of a site copy: several at once, resumed, and complete or not there at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import ssl
import threading
import time
import urllib.error
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import chunks, disk_full
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import Pace, most_bytes, too_much
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.urls import open_url
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import within
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store

#: What an error leaves.
_KEPT = "The copy in use stays as it is"
_RANGE = re.compile(r"bytes (?P<first>\d+)-\d+/(?P<size>\d+|\*)")
_PAGE = re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+")
_USER = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, order=True)
class Wanted:
    """A file that a copy is to hold.

    Parameters
    ----------
    path
        Below the root of the copy.
    size
        0 where it is not known.
    algorithm, digest
        By which its content is known; an empty digest where it is not.
    """

    path: str
    url: str
    size: int = 0
    algorithm: str = "sha256"
    digest: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no digest: files of the store are named by it.

        Raises
        ------
        EvenkeelError
            It names the file.
        """
        length = 2 * hashlib.new(self.algorithm, usedforsecurity=False).digest_size
        if self.digest and not (len(self.digest) == length and _HEX.fullmatch(self.digest)):
            raise EvenkeelError(
                "%s has the %s %r" % (self.path, self.algorithm, self.digest),
                "Check what names it, such as a lock or a list of a repository: it is to have %d hexadecimal digits"
                % length,
            )

    @property
    def sha256(self) -> str:
        return self.digest if self.algorithm == "sha256" else ""


@dataclass(frozen=True)
class Network:
    """How upstreams are asked.

    Parameters
    ----------
    timeout
        How many seconds one may stay silent, or be far too slow.
    retries
        How often it is asked again.
    connections
        How many files are fetched at once.
    ca_path
        A file of certificates, in PEM, to trust instead of the system's.
    """

    timeout: float = 60
    retries: int = 3
    connections: int = 8
    ca_path: str | None = None


class Damaged(EvenkeelError):
    """What came is not what was named."""


class Missing(EvenkeelError):
    """An upstream does not have a file."""


def fetch_all(wanted: Iterable[Wanted], store: Store, network: Network, *, optional: bool = False) -> dict[str, File]:
    """Have files in the store, several downloads at a time; return them by path.

    The first failure ends all of it. What is complete stays in the store, and the rest is resumed by the next call.

    Parameters
    ----------
    optional
        Whether a file that the upstream does not have is left out.

    Raises
    ------
    EvenkeelError
        A file did not come, or is another than was named; the disk is full.
    """
    over = threading.Event()

    def one(what: Wanted) -> File | None:
        try:
            return _Download(what, store, network, over).file()
        except Missing:
            if optional:
                return None
            raise

    distinct = list({what.path: what for what in wanted}.values())
    with ThreadPoolExecutor(max_workers=network.connections) as pool:
        # Two downloads of one content would write to one file.
        groups: dict[str, list[Wanted]] = {}
        for what in distinct:
            groups.setdefault(partial_name(what), []).append(what)
        running = [pool.submit(lambda those: list(map(one, those)), those) for those in groups.values()]
        try:
            done = wait(running, return_when=FIRST_EXCEPTION).done
            failed = [future for future in done if future.exception()]
        finally:
            over.set()
            for future in running:
                future.cancel()
    for future in failed:
        future.result()
    found = [file for future in running for file in future.result() if file is not None]
    return {file.path: file for file in found}


def fetch(wanted: Wanted, store: Store, network: Network) -> tuple[File, str]:
    """Have one file in the store; return it and where it is."""
    file = fetch_all([wanted], store, network)[wanted.path]
    return file, store.find(file.sha256, file.size)


def partial_name(wanted: Wanted) -> str:
    """Return what an incomplete download is named by: its content where that is known, else its URL."""
    return wanted.digest or hashlib.sha256(wanted.url.encode()).hexdigest()


def shown(url: str) -> str:
    """Return a URL without credentials, as a manifest holds it.

    >>> shown("https://ana:secret@host/a")
    'https://host/a'
    """
    return masked(_USER.sub("", url))


class _Download:
    def __init__(self, wanted: Wanted, store: Store, network: Network, over: threading.Event) -> None:
        self._wanted, self._store, self._network, self._over = wanted, store, network, over
        self._url = shown(wanted.url)

    def file(self) -> File:
        """Return the file, fetched where the store does not have it."""
        wanted = self._wanted
        if wanted.sha256:
            path = self._store.find(wanted.sha256, wanted.size)
            if path:
                return File(wanted.path, os.path.getsize(path), wanted.sha256, self._url)
        partial = self._store.partial(partial_name(wanted))
        sha256 = self._delivered(partial)
        size = os.path.getsize(partial)
        self._store.keep(partial, sha256)
        return File(wanted.path, size, sha256, self._url)

    def _delivered(self, partial: str) -> str:
        """Fetch to the end; return the SHA-256."""
        attempt, most = 0, patience.retries(self._network.retries)
        again = False
        while True:
            if self._over.is_set():
                raise EvenkeelError("%s was not fetched" % self._url, "Run again")
            try:
                return self._once(partial, afresh=again)
            except Damaged:
                # A cache on the way may have kept a damaged file; it is asked to fetch anew.
                os.unlink(partial)
                if again:
                    raise
                again = True
                continue
            except urllib.error.HTTPError as error:
                if error.code == 416 and os.path.exists(partial):
                    os.unlink(partial)
                    continue
                if error.code < 500 and error.code != 429:
                    kind = Missing if error.code in (404, 410) else EvenkeelError
                    raise kind(
                        "%s answered %d %s" % (self._url, error.code, error.reason),
                        "Check the upstream (package_mirror_upstream, package_mirror_upstreams of the role). %s"
                        % _KEPT,
                    ) from error
                reason = "answered %d %s" % (error.code, error.reason)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(partial)
                    raise disk_full(self._store.root) from error
                if not isinstance(error, (urllib.error.URLError, TimeoutError, ConnectionError)):
                    raise
                cause = getattr(error, "reason", None)
                if isinstance(cause, FileNotFoundError):
                    raise Missing("There is no file %s" % self._url, "Check what names it. %s" % _KEPT) from error
                if self._url.startswith("file:") or isinstance(cause, ssl.SSLCertVerificationError):
                    most = attempt  # no wait changes it
                reason = "did not deliver (%s)" % (cause or error or type(error).__name__)
            except HTTPException as error:
                reason = "did not deliver (%s)" % (error or type(error).__name__)
            attempt += 1
            if attempt > most:
                raise EvenkeelError(
                    "%s %s%s" % (self._url, reason, ", %d times in a row" % attempt if attempt > 1 else ""),
                    "Check that the upstream is reached; run again to go on from here. %s" % _KEPT,
                )
            self._over.wait(min(2**attempt, 10))

    def _once(self, partial: str, *, afresh: bool) -> str:
        """Fetch what is missing of the file; return its SHA-256."""
        have = os.path.getsize(partial) if os.path.exists(partial) else 0
        # What has neither hash nor size could be of another version by now.
        if not self._wanted.digest or (self._wanted.size and have >= self._wanted.size):
            have = 0
        headers = {"Range": "bytes=%d-" % have} if have else {}
        if afresh:
            headers["Cache-Control"] = "no-cache"
        timeout = patience.for_answer(self._network.timeout)
        response = within(
            2 * timeout,
            lambda: open_url(
                self._wanted.url, timeout=timeout, ca_path=self._network.ca_path, headers=headers, decompress=False
            ),
        )
        with response:
            begins, announced = _extent(response.headers, response.status)
            if begins not in (0, have):
                raise ConnectionError("it sent another part than was asked for")
            return self._written(partial, response, begins, announced, timeout)

    def _written(self, partial: str, response: Any, begins: int, announced: int | None, timeout: float) -> str:
        wanted = self._wanted
        most = most_bytes(wanted.size)
        digests = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", wanted.algorithm)}
        pace = Pace(timeout, time.monotonic())
        with open(partial, "r+b" if begins else "wb") as stream:
            if begins:
                for part in chunks(stream.read):
                    _update(digests.values(), part)
                stream.seek(begins)
            for part in chunks(response.read1):
                _update(digests.values(), part)
                stream.write(part)
                now = time.monotonic()
                pace.note(stream.tell(), None, now)
                if stream.tell() > most:
                    raise Damaged(too_much(self._url, most), "Check the upstream. %s" % _KEPT)
                if self._over.is_set():
                    raise ConnectionError("another file failed")
                if now > pace.deadline:
                    raise ConnectionError(pace.complaint())
            size = stream.tell()
        if announced is not None and size < announced:
            raise ConnectionError("%d of %d bytes" % (size, announced))
        found = {name: digest.hexdigest() for name, digest in digests.items()}
        self._require_right(partial, size, found[wanted.algorithm])
        return found["sha256"]

    def _require_right(self, partial: str, size: int, found: str) -> None:
        wanted = self._wanted
        right = wanted.size in (0, size) and wanted.digest in ("", found)
        if right and (wanted.digest or wanted.path.endswith((".html", "/")) or not _is_page(partial)):
            return
        if _is_page(partial):
            what = "%s sent a page of HTML in place of the file" % self._url
        elif wanted.size not in (0, size):
            what = "%s has %d bytes, not %d" % (self._url, size, wanted.size)
        else:
            what = "%s has the %s %s, not %s" % (self._url, wanted.algorithm, found, wanted.digest)
        raise Damaged(what, "Check the upstream, and what stands before it. %s" % _KEPT)


def _extent(headers: Any, status: int) -> tuple[int, int | None]:
    """Return where an answer begins in its file, and the file's size where it reports it."""
    part = _RANGE.fullmatch(headers.get("Content-Range") or "") if status == 206 else None
    if part:
        return int(part["first"]), int(part["size"]) if part["size"] != "*" else None
    if status == 206:
        raise ConnectionError("it sent a part of the file, and not which one")
    length = headers.get("Content-Length") or ""
    return 0, int(length) if length.isdecimal() else None


def _update(digests: Iterable[Any], part: bytes) -> None:
    for digest in digests:
        digest.update(part)


def _is_page(path: str) -> bool:
    with open(path, "rb") as stream:
        return bool(_PAGE.match(stream.read(64)))
