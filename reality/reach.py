# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as a good guest: proxies of the environment, few connections to a site, waits that it asks for, and an end.

A site that does not answer twice in a row, or that asks for a wait that is too long, is asked no more in this run.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without_user
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import Late, within

from reality.claims import OutOfTimeError

MIB = 1 << 20
#: How often a site may fail in a row before it counts as down.
FAILURES = 2
#: How often a request is made again, apart from the first time.
RETRIES = 2
_CHUNK = 256 << 10
#: What is wrong with this machine's disk, and says nothing about a site.
OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: Where a server answers no HEAD.
_NO_HEAD = (403, 405, 501)
#: What dates of sites raise, which may be as absurd as they like.
_NO_DATE = (TypeError, ValueError, OverflowError)
#: A size with more digits is none.
_MOST_DIGITS = 18
#: Where a server names no time to wait for.
_WAIT_SECONDS = 5.0


class TroubleError(Exception):
    """A site, or what is before it, does not work now; nothing is said about the claim."""


class RefusedError(Exception):
    """A site that works has no such file, or keeps it."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url} answered {status} {http.client.responses.get(status, '')}".rstrip())
        self.status = status


class _BodyError(Exception):
    """A site that answered sends what can't be used, or does not end."""


@dataclass(frozen=True)
class Answer:
    """What a site answered."""

    #: After redirections.
    url: str
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def size(self) -> int | None:
        """How long the whole file is, where the site announces it."""
        part = self.headers.get("content-range", "")
        text = part.rpartition("/")[2] if part else self.headers.get("content-length", "")
        return _number(text)

    @property
    def modified(self) -> datetime | None:
        """When the file was made, where the site announces it."""
        try:
            found = parsedate_to_datetime(self.headers.get("last-modified", ""))
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except _NO_DATE:
            return None


class Reach:
    """The way to all sites.

    Parameters
    ----------
    agent
        How it introduces itself.
    silence
        For how many seconds a site may say nothing.
    most_wait
        For how many seconds at most a site's wish for a pause is kept; where it asks for more, it is left alone.
    at_once
        How many requests one site gets at once.
    """

    def __init__(
        self, agent: str = "evenkeel-reality", silence: float = 20.0, most_wait: float = 60.0, at_once: int = 4
    ) -> None:
        self._agent, self._silence, self._most_wait = agent, silence, most_wait
        self.stop = threading.Event()
        #: When all requests have to have ended, on the clock of ``time.monotonic``.
        self.end = float("inf")
        #: What a thread is in while it waits for its turn, and so can't do anything else.
        self.waiting: Callable[[], AbstractContextManager[None]] = nullcontext
        self._lock = threading.Lock()
        self._places: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(at_once))
        self._failures: Counter[str] = Counter()
        self._down: dict[str, str] = {}
        self._pause: dict[str, float] = {}

    def head(self, url: str, retries: int = RETRIES) -> Answer:
        """Return the headers of a file alone."""
        try:
            return self._ask(url, "HEAD", {}, lambda _response: b"", retries=retries)
        except RefusedError as error:
            if error.status not in _NO_HEAD:
                raise
        return self.get(url, first=1)

    def get(self, url: str, most: int = 64 * MIB, first: int = 0, seconds: float = 300.0) -> Answer:
        """Return a file.

        Parameters
        ----------
        most
            How many bytes it may have at most.
        first
            How many bytes of its beginning are enough; all of it where 0.
        seconds
            How long all of it may take.
        """
        headers = {"Range": f"bytes=0-{first - 1}"} if first else {}

        def read(response: http.client.HTTPResponse) -> bytes:
            content = bytearray()
            for chunk in self._chunks(response, url):
                content += chunk
                if first and len(content) >= first:
                    return bytes(content[:first])
                if len(content) > most:
                    raise _BodyError(f"{url} sends more than {most // MIB} MiB")
            return bytes(content)

        return self._ask(url, "GET", headers, read, seconds)

    def text(self, url: str, most: int = 16 * MIB) -> str:
        """Return a text."""
        return self.get(url, most).content.decode("utf-8", "replace")

    def sum(
        self, url: str, into: Callable[[bytes], object] = len, most: int = 8192 * MIB, seconds: float = 1800.0
    ) -> tuple[int, str]:
        """Return the size and the SHA-256 of a file that may be large; ``into`` is given each piece of it."""
        found = (0, "")

        def read(response: http.client.HTTPResponse) -> bytes:
            nonlocal found
            digest, size = hashlib.sha256(), 0
            for chunk in self._chunks(response, url):
                digest.update(chunk)
                size += len(chunk)
                if size > most:
                    raise _BodyError(f"{url} sends more than {most // MIB} MiB")
                into(chunk)
            found = (size, digest.hexdigest())
            return b""

        self._ask(url, "GET", {}, read, seconds, retries=0)
        return found

    def _ask(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        read: Callable[[Any], bytes],
        seconds: float = 0.0,
        retries: int = RETRIES,
    ) -> Answer:
        site = urlsplit(url).netloc
        request = urllib.request.Request(url, method=method, headers={"User-Agent": self._agent, **headers})  # noqa: S310
        for attempt in range(retries + 1):
            last = attempt == retries
            with self._turn(site):
                try:
                    # Named for each request, as the environment's proxies differ by scheme and host.
                    opener = urllib.request.build_opener()
                    patience = min(2 * self._silence, self._left())
                    opened = within(patience, lambda: opener.open(request, timeout=self._silence))  # noqa: B023
                    with opened as response, self._ended(response, url, seconds):
                        found = {name.lower(): value for name, value in response.headers.items()}
                        answer = Answer(response.url, found, read(response))
                    self._failures[site] = 0
                    return answer
                except urllib.error.HTTPError as error:
                    with error:
                        wait = self._wish(error)
                    if error.code == 407:
                        raise TroubleError(f"{proxy_words(url)} asks for a login") from None
                    if 400 <= error.code < 500 and error.code not in (408, 429):
                        self._failures[site] = 0
                        raise RefusedError(url, error.code) from None
                    why = f"{site} answered {error.code} {error.reason}"
                    if wait > self._most_wait:
                        raise self._leave(site, f"{why} and asks to wait {wait:.6g} s; run it again later") from None
                    if last:
                        raise self._failed(site, why, now=error.code == 429) from None
                    self._pause[site] = time.monotonic() + wait
                except _BodyError as error:
                    raise self._failed(site, str(error)) from None
                # Of values: a redirection to what is no URL.
                except (Late, OSError, ValueError, http.client.HTTPException) as error:
                    if isinstance(error, OSError) and error.errno in OF_DISK:
                        raise
                    self._require_time()
                    if last or isinstance(error, ConnectionRefusedError):
                        raise self._failed(site, words(url, error)) from None
        raise AssertionError("a request ends with an answer or an error")

    @contextmanager
    def _turn(self, site: str) -> Iterator[None]:
        """Wait for a place at a site, and for the end of the pause that it asked for."""
        with self._lock:
            place = self._places[site]
        with self.waiting():
            self._require_time()
            if not place.acquire(timeout=min(self._left(), threading.TIMEOUT_MAX)):
                raise OutOfTimeError
        try:
            with self.waiting():
                while (left := min(self._pause.get(site, 0.0) - time.monotonic(), self._left())) > 0:
                    if self.stop.wait(left):
                        break
            self._require_time()
            if site in self._down:
                raise TroubleError(self._down[site])
            yield
        finally:
            place.release()

    @contextmanager
    def _ended(self, response: http.client.HTTPResponse, url: str, seconds: float) -> Iterator[None]:
        """Have an answer end in time, also one that comes byte by byte, or never ends within a line of its form."""
        left, late = min(seconds, self._left()), threading.Event()
        if not seconds or response.isclosed():
            yield
            return
        # Of its own: the response's may be closed, and its number be another's, by then.
        with socket.socket(fileno=os.dup(response.fileno())) as connection:
            ender = threading.Timer(left, _shut, [connection, late])
            ender.daemon = True
            ender.start()
            try:
                yield
            except Exception:
                if not late.is_set():
                    raise
            finally:
                ender.cancel()
        if late.is_set():
            self._require_time()
            raise _BodyError(f"{url} takes longer than {seconds:.0f} s")

    def _left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def _require_time(self) -> None:
        if self.stop.is_set() or time.monotonic() >= self.end:
            raise OutOfTimeError

    def _wish(self, error: urllib.error.HTTPError) -> float:
        """Return how many seconds a site asks to be left alone, when it does."""
        if error.code not in (429, 503):
            return 0.0
        text = (error.headers.get("Retry-After") or "").strip()
        if text.isdecimal():
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
        except _NO_DATE:
            return min(_WAIT_SECONDS, self._most_wait) if error.code == 429 else 0.0

    def _failed(self, site: str, why: str, *, now: bool = False) -> TroubleError:
        with self._lock:
            self._failures[site] += 1
            return self._leave(site, why) if now or self._failures[site] >= FAILURES else TroubleError(why)

    def _leave(self, site: str, why: str) -> TroubleError:
        self._down.setdefault(site, why)
        return TroubleError(why)

    def _chunks(self, response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
        expected, size = _number(response.headers.get("Content-Length", "")), 0
        while chunk := response.read1(_CHUNK):
            if self.stop.is_set():
                raise OutOfTimeError
            size += len(chunk)
            yield chunk
        if expected is not None and size < expected:
            raise _BodyError(f"{url} ended after {size} of {expected} bytes")


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _shut(connection: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def proxy_of(url: str) -> tuple[str, str]:
    """Return the proxy that the environment names for a URL, without its login, and the variable; empty without."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return "", ""
    return without_user(proxy), f"{parts.scheme}_proxy"


def proxy_words(url: str) -> str:
    """Return how messages name the proxy of a URL."""
    return "the proxy {} ({})".format(*proxy_of(url))


def words(url: str, error: Exception) -> str:
    """Return why a request failed, and at whom: with a proxy, nothing else is spoken to."""
    reason = getattr(error, "reason", None) or error
    text = "no answer in time" if isinstance(reason, (Late, TimeoutError)) else str(reason) or type(reason).__name__
    return f"{proxy_words(url) if proxy_of(url)[0] else urlsplit(url).netloc} can't be reached: {text}"
