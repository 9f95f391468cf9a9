# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Downloads that are complete, or fail with a reason."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    chunks,
    require_space,
    sha256_of,
    sha256_of_chunks,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import MOST_BYTES, Pace, too_much
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.urls import open_url
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import within

#: How much of a download its beginning is.
BEGINNING_BYTES = 64 << 10
#: Asks a cache on the way for what its source has now.
_PAST_CACHES = {"Cache-Control": "no-cache"}

Result = TypeVar("Result")


@dataclass(frozen=True)
class Beginning:
    """What a download would begin with."""

    content: bytes
    #: Of all of it, in bytes; None where the server does not say.
    size: int | None


def require_certificates(path: str) -> None:
    """Refuse a file of certificates that can't be used, before anything is asked of the network."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise EvenkeelError(
            "The certificates in %s cannot be used: %s" % (path, error),
            "Name a file of certificates in PEM that the machine has",
        ) from None


def download(
    url: str,
    target: str,
    timeout: float,
    retries: int,
    ca_path: str | None = None,
    most: int = MOST_BYTES,
    sha256: str = "",
) -> str:
    """Download ``url`` to ``target``; return its SHA-256, which the caller compares.

    A refusal (4xx) and too much are final. Silence, a drip, a broken transfer and 5xx are tried again, ``retries``
    times.

    Parameters
    ----------
    url
        ``http``, ``https`` or ``file``.
    target
        The file to write; its directory exists.
    timeout
        How many seconds the server may stay silent, or be far too slow.
    retries
        How often it is tried again.
    ca_path
        A file of certificates, in PEM, to trust instead of the system's.
    most
        How many bytes it may have.
    sha256
        What it should be. Where something else comes, the source is asked once more past the caches on the way, one of
        which may keep a damaged file.

    Raises
    ------
    EvenkeelError
        The server refused, did not deliver or brings too much, or the file system has no room for what it announced.
    """
    timeout = patience.for_answer(timeout)

    def ask(headers: Mapping[str, str]) -> str:
        return _delivered(url, retries, lambda: _download_once(url, target, timeout, ca_path, most, headers))

    found = ask({})
    if sha256 not in ("", found):
        with contextlib.suppress(EvenkeelError):  # then what came first counts
            found = ask(_PAST_CACHES)
    return found


def beginning(url: str, timeout: float, retries: int, ca_path: str | None = None, most: int = MOST_BYTES) -> Beginning:
    """Return what a download would begin with; nothing is written.

    Parameters
    ----------
    url, timeout, retries, ca_path, most
        As of ``download``.

    Raises
    ------
    EvenkeelError
        As ``download`` would: the server refuses, does not deliver or announces too much.
    """
    timeout = patience.for_answer(timeout)
    return _delivered(url, retries, lambda: within(2 * timeout, lambda: _begin(url, timeout, ca_path, most)))


def _begin(url: str, timeout: float, ca_path: str | None, most: int) -> Beginning:
    headers = {"Range": "bytes=0-%d" % (BEGINNING_BYTES - 1)}
    with open_url(url, timeout=timeout, ca_path=ca_path, headers=headers, decompress=False) as response:
        part = response.headers.get("Content-Range")
        announced = part.rpartition("/")[2] if part else response.headers.get("Content-Length") or ""
        size = int(announced) if announced.isdecimal() else None
        if (size or 0) > most:
            raise _refusal(url, most)
        content = response.read(BEGINNING_BYTES)
        expected = min(size or 0, BEGINNING_BYTES)
        if len(content) < expected:
            raise ConnectionError("%d of %d bytes" % (len(content), expected))
        return Beginning(content, size)


def _delivered(url: str, retries: int, ask: Callable[[], Result]) -> Result:
    """Return what ``ask`` brings of a URL; what may pass is tried again, and silence is the cause of its error."""
    attempt, most = 0, patience.retries(retries)
    silence: Exception | None = None
    while True:
        try:
            return ask()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise EvenkeelError(
                    "%s answered %d %s" % (url, error.code, error.reason),
                    "Check the version and the mirror's base URL",
                ) from error
            reason, silence = "answered %d %s" % (error.code, error.reason), None
        except (urllib.error.URLError, HTTPException, socket.timeout, TimeoutError, ConnectionError) as error:
            reason = "did not deliver (%s)" % (getattr(error, "reason", None) or error or type(error).__name__)
            silence = error
        attempt += 1
        if attempt > most:
            often = ", %d times in a row" % attempt if attempt > 1 else ""
            raise EvenkeelError(
                "%s %s%s" % (url, reason, often), "Check that the machine reaches the mirror"
            ) from silence
        time.sleep(min(2**attempt, 10))


def _download_once(
    url: str, target: str, timeout: float, ca_path: str | None, most: int, headers: Mapping[str, str]
) -> str:
    with within(2 * timeout, lambda: open_url(url, timeout=timeout, ca_path=ca_path, headers=headers)) as response:
        announced = response.headers.get("Content-Length") or ""
        expected = int(announced) if announced.isdecimal() else None
        if (expected or 0) > most:
            raise _refusal(url, most)
        if expected is not None:
            require_space(os.path.dirname(target), expected, url)
        pace = Pace(timeout, time.monotonic())
        with open(target, "wb") as stream:

            def keep(chunk: bytes) -> None:
                stream.write(chunk)
                if stream.tell() > most:
                    stream.truncate(0)
                    raise _refusal(url, most)
                now = time.monotonic()
                pace.note(stream.tell(), None, now)
                if now > pace.deadline:
                    raise ConnectionError(pace.complaint())

            found = sha256_of_chunks(chunks(response.read1), keep)
            if expected is not None and stream.tell() != expected:
                raise ConnectionError("%d of %d bytes" % (stream.tell(), expected))
    return found


def _refusal(url: str, most: int) -> EvenkeelError:
    return EvenkeelError(too_much(url, most), "Check the version and the mirror's base URL, or choose another mirror")


def copy(source: str, target: str) -> str:
    """Copy a file; return its SHA-256."""
    require_space(os.path.dirname(target), os.path.getsize(source), source)
    shutil.copyfile(source, target)
    return sha256_of(target)
