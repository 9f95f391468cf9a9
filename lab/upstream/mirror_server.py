# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's upstream over HTTP: static files, and on request every way a mirror can fail.

Runs alone on Python's standard library: ``python3 mirror_server.py ROOT CERTIFICATES``, on port 80 and, with the
``mirror.pem`` and ``mirror.key`` of CERTIFICATES, on port 443. A path below ``/_fault/`` serves the same files through
a fault, so that any client meets it by a longer base URL alone::

    /_fault/404/PATH                 no such file
    /_fault/html/PATH                200 and a web page, whatever was asked for
    /_fault/hang/PATH                takes the request and never answers
    /_fault/stall/PATH               announces all, sends half, then nothing more
    /_fault/truncate/PATH            announces all, sends half, closes
    /_fault/corrupt/PATH             one byte in the middle differs
    /_fault/slow/PATH                256 KiB/s
    /_fault/drip/PATH                one byte at a time, ten a second
    /_fault/headers/PATH             its headers never end, ten bytes a second
    /_fault/unannounced/PATH         without a Content-Length
    /_fault/endless/PATH             without a Content-Length, and zeros after all of it, for ever
    /_fault/stale/PATH               said to be two years older than it is
    /_fault/terms/PATH               every folder has a terms.json, terms of service to accept
    /_fault/limit/N/TOKEN/PATH       429 and a wait of a second for the first N requests with this token, then no fault
    /_fault/flaky/N/TOKEN/PATH       503 for the first N requests with this token, then no fault
    /_fault/sync/N/TOKEN/PATH        corrupt for the first N requests with this token, then no fault

So ``/_fault/sync~Packages*/1/TOKEN/`` is an APT repository whose lists are not yet those that its signature is for.

``FAULT~GLOB`` in the place of a fault keeps it to those paths whose last part matches the shell pattern, and serves
all others as they are: below ``/_fault/corrupt~idna-*.conda/`` the index is good and one package is bad. ``?`` and
``[`` must be percent-encoded, ``*`` need not be.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate, parsedate_to_datetime
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

HEALTH = "/_health"
#: A file below the root with what was recorded of real channels: headers by path, and terms of service.
ANSWERS = "_recorded.json"
FAULTS = (
    *("404", "html", "hang", "stall", "truncate", "corrupt", "slow", "drip", "headers", "unannounced", "endless"),
    *("stale", "terms", "limit", "flaky", "sync"),
)

_COUNTED = {"limit", "flaky", "sync"}

_CHUNK = 64 * 1024
_SLOW_BYTES_PER_SECOND = 256 * 1024
_DRIP_BYTES_PER_SECOND = 10
_STALE_SECONDS = 2 * 365 * 24 * 3600
_TYPES = {
    ".conda": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".sh": "application/x-sh",
    ".txt": "text/plain; charset=utf-8",
    ".whl": "application/octet-stream",
    ".zst": "application/zstd",
}
_PORTAL = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to use this network.</body></html>\n"
#: What conda's plugin for terms of service asks of a channel.
_TERMS = {
    "version": "2025-07-15T00:00:00Z",
    "text": "The lab's terms of service, of a channel that wants them accepted.",
    "support": "https://example.com/terms",
}


@dataclass(frozen=True)
class Request:
    """What a URL path asks for: a file below the root, perhaps through a fault."""

    path: str
    fault: str = ""
    failures: int = 0
    token: str = ""


def parse_path(path: str) -> Request | None:
    """Split a URL path into file and fault, which is none for a file it is kept from; None for an unknown fault."""
    if not path.startswith("/_fault/"):
        return Request(path)
    kind, _, rest = path.removeprefix("/_fault/").partition("/")
    fault, limited, pattern = unquote(kind).partition("~")
    count, token = "0", ""
    if fault in _COUNTED:
        count, token, rest = ([*rest.split("/", 2), "", ""])[:3]
    if fault not in FAULTS or not count.isdecimal() or (fault in _COUNTED and not token):
        return None
    if limited and not fnmatchcase(PurePosixPath(unquote(rest)).name, pattern):
        return Request(f"/{rest}")
    return Request(f"/{rest}", fault, int(count), token)


def file_below(root: Path, path: str) -> Path | None:
    """Return the file or folder that ``path`` names below ``root``, None where it leads out of it."""
    plain = unquote(path)
    parts = [part for part in plain.split("/") if part not in {"", "."}]
    return None if ".." in parts or "\0" in plain else root.joinpath(*parts)


def content_type(name: str) -> str:
    """Return the media type by which clients distinguish a page from a package."""
    if name == "SHA256SUMS":
        return _TYPES[".txt"]
    return _TYPES.get(Path(name).suffix, "application/octet-stream")


def parse_range(header: str | None, size: int) -> range | None:
    """Return the bytes asked for, an empty range where none of them exist, None where the whole file is to be sent."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").replace(" ", ""))
    if not found or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


def not_modified(etag: str, modified: float, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Return whether the client's copy is still good; an entity tag outranks a date."""
    if if_none_match is not None:
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return bool(tags & {etag, "*"})
    if if_modified_since is None:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(if_modified_since).timestamp()
    except (TypeError, ValueError):
        return False


def chunks(file: BinaryIO, wanted: range) -> Iterator[bytes]:
    """Read the bytes ``wanted`` of ``file``."""
    file.seek(wanted.start)
    left = len(wanted)
    while left and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk


def corrupted(body: Iterator[bytes], start: int, spot: int) -> Iterator[bytes]:
    """Flip the byte at offset ``spot`` of the file in a ``body`` that starts at offset ``start``."""
    for chunk in body:
        at = spot - start
        yield chunk[:at] + bytes([chunk[at] ^ 0xFF]) + chunk[at + 1 :] if 0 <= at < len(chunk) else chunk
        start += len(chunk)


def dripped(body: Iterator[bytes]) -> Iterator[bytes]:
    """Let ``body`` through byte by byte."""
    return slowed((chunk[at : at + 1] for chunk in body for at in range(len(chunk))), _DRIP_BYTES_PER_SECOND)


def continued(body: Iterator[bytes]) -> Iterator[bytes]:
    """Let ``body`` through, and zeros after it."""
    yield from body
    while True:
        yield bytes(_CHUNK)


def slowed(body: Iterator[bytes], bytes_per_second: int) -> Iterator[bytes]:
    """Let ``body`` through at a limited rate."""
    for chunk in body:
        time.sleep(len(chunk) / bytes_per_second)
        yield chunk


class Mirror(ThreadingHTTPServer):
    """Serves the files below ``root``, each request in a thread of its own."""

    request_queue_size = 128

    def __init__(self, root: Path, address: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__((address, port), Handler)
        self.root = root
        if tls:  # with the handshake in the request's own thread
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong in here; a client that hangs up is its own business."""
        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)

    def recorded(self, what: str) -> dict[str, Any]:
        """Return the ``headers`` or the ``terms`` that were recorded of real channels; nothing where none were."""
        try:
            found: dict[str, Any] = json.loads((self.root / ANSWERS).read_text())[what]
        except FileNotFoundError:
            return {}
        return found

    def still_failing(self, request: Request) -> bool:
        """Count this request of its token, and return whether it is one of those to fail."""
        with self._lock:
            self._counted[request.token] += 1
            return self._counted[request.token] <= request.failures


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server: Mirror
    protocol_version = "HTTP/1.1"
    server_version = "evenkeel-lab"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with a file, or with the fault that was asked for."""
        path = urlsplit(self.path).path
        if path == HEALTH:
            return self._page(HTTPStatus.OK, b"ok\n", _TYPES[".txt"])
        request = parse_path(path)
        if request is None:
            return self._error(HTTPStatus.BAD_REQUEST, f"no such fault; there are {', '.join(FAULTS)}")
        match request.fault:
            case "404":
                return self._error(HTTPStatus.NOT_FOUND)
            case "html":
                return self._page(HTTPStatus.OK, _PORTAL, _TYPES[".html"])
            case "hang":
                self.log_request("hang")
                return self._hang()
            case "headers":
                self.log_request("headers")
                return self._drip_headers()
            case "terms" if request.path.endswith("/terms.json"):
                terms = self.server.recorded("terms") or _TERMS
                return self._page(HTTPStatus.OK, json.dumps(terms).encode(), _TYPES[".json"])
            case "limit" if self.server.still_failing(request):
                return self._error(HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": "1"})
            case "flaky" if self.server.still_failing(request):
                return self._error(HTTPStatus.SERVICE_UNAVAILABLE)
            case "sync":
                request = replace(request, fault="corrupt" if self.server.still_failing(request) else "")
        return self._file(request)

    def log_message(self, format: str, *arguments: object) -> None:
        """Write one line for each request to standard output, where ``podman logs`` finds it."""
        print(f"{self.log_date_time_string()} {self.address_string()} {format % arguments}", flush=True)

    def _file(self, request: Request) -> None:
        place = file_below(self.server.root, request.path)
        if place is not None and place.is_dir():
            if not request.path.endswith("/"):
                return self._moved(f"{urlsplit(self.path).path}/")
            place /= "index.html"
        try:
            file = place.open("rb") if place is not None else None
        except OSError:
            file = None
        if file is None or place is None:
            return self._error(HTTPStatus.NOT_FOUND)
        with file:
            about = {"content-type": content_type(place.name), **self.server.recorded("headers").get(request.path, {})}
            return self._send(file, about, request.fault)

    def _send(self, file: BinaryIO, about: dict[str, str], fault: str) -> None:
        stat = os.fstat(file.fileno())
        age = _STALE_SECONDS if fault == "stale" else 0
        etag = f'"{stat.st_ino:x}-{stat.st_size:x}-{stat.st_mtime_ns - age:x}"'
        modified = formatdate(stat.st_mtime - age, usegmt=True)
        validators = {"ETag": etag, "Last-Modified": modified, "Accept-Ranges": "bytes"}
        if not_modified(etag, stat.st_mtime - age, self.headers["If-None-Match"], self.headers["If-Modified-Since"]):
            return self._head(HTTPStatus.NOT_MODIFIED, validators)

        current = self.headers["If-Range"] in {None, etag, modified}
        part = parse_range(self.headers["Range"], stat.st_size) if current else None
        if part is not None and not part:
            headers = {"Content-Range": f"bytes */{stat.st_size}"}
            return self._error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
        wanted = range(stat.st_size) if part is None else part
        headers = validators | about | {"Content-Length": str(len(wanted))}
        if part is not None:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{stat.st_size}"
        if fault in {"truncate", "unannounced", "endless"}:
            headers["Connection"] = "close"
        if fault in {"unannounced", "endless"}:
            del headers["Content-Length"]
        self._head(HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT, headers)
        if self.command == "HEAD":
            return None

        body = chunks(file, wanted[: len(wanted) // 2] if fault in {"stall", "truncate"} else wanted)
        if fault == "corrupt":
            body = corrupted(body, wanted.start, stat.st_size // 2)
        elif fault == "slow":
            body = slowed(body, _SLOW_BYTES_PER_SECOND)
        elif fault == "drip":
            body = dripped(body)
        elif fault == "endless":
            body = continued(body)
        for chunk in body:
            self.wfile.write(chunk)
        if fault == "stall":
            self._hang()
        return None

    def _hang(self) -> None:
        """Keep the client waiting until it gives up."""
        while self.connection.recv(_CHUNK):
            pass
        self.close_connection = True

    def _drip_headers(self) -> None:
        """Send the beginning of an answer, and then headers until the client gives up."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for byte in dripped(itertools.repeat(b"X-Wait: a little\r\n")):
            self.wfile.write(byte)

    def _moved(self, location: str) -> None:
        self._head(HTTPStatus.MOVED_PERMANENTLY, {"Location": location, "Content-Length": "0"})

    def _error(self, status: HTTPStatus, why: str = "", headers: dict[str, str] | None = None) -> None:
        text = f"{status.value} {status.phrase}{': ' if why else ''}{why}\n".encode()
        self._page(status, text, _TYPES[".txt"], headers)

    def _page(self, status: HTTPStatus, body: bytes, media_type: str, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def serve(root: Path, certificates: Path) -> None:
    """Serve with and without TLS, for ever."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "mirror.pem", certificates / "mirror.key")
    everywhere = "0.0.0.0"  # noqa: S104
    with Mirror(root, everywhere, 80) as plain, Mirror(root, everywhere, 443, tls) as secure:
        threading.Thread(target=secure.serve_forever, daemon=True).start()
        plain.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
