# SPDX-License-Identifier: GPL-3.0-or-later
"""A site on loopback that answers as a test wants, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """What the site answers; ``announced`` is the length that it claims, where that is not its body's."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    #: Whether it never answers.
    silent: bool = False
    #: What it sends in place of an answer of HTTP.
    raw: bytes = b""
    #: What it sends after that for ever, now and then.
    drip: bytes = b""


class Site:
    """A running site."""

    def __init__(self) -> None:
        #: By path, what is answered; the last answer stays.
        self.replies: dict[str, list[Reply]] = {}
        #: By method, what is sent in place of an answer.
        self.raw: dict[str, bytes] = {}
        #: Method, path and moment of each request.
        self.asked: list[tuple[str, str, float]] = []
        self.url = ""
        self.closing = threading.Event()

    def answer(self, path: str, *replies: Reply | bytes) -> str:
        """Answer these one after another at a path, and return its URL."""
        self.replies[path] = [one if isinstance(one, Reply) else Reply(one) for one in replies]
        return f"{self.url}{path}"

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [path for _method, path, _moment in self.asked]

    def next(self, path: str) -> Reply:
        """Return the answer to a request."""
        replies = self.replies.get(path, [Reply(status=404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def running() -> Iterator[Site]:
    """Run a site."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.command, self.path, time.monotonic()))
            reply = site.next(self.path)
            if reply.silent:
                site.closing.wait(10)
                return
            if reply.raw:
                self.wfile.write(reply.raw)
                with suppress(OSError):
                    while reply.drip and not site.closing.wait(0.01):
                        self.wfile.write(reply.drip)
                self.close_connection = True
                return
            self.send_response(reply.status)
            length = len(reply.body) if reply.announced is None else reply.announced
            for name, value in {"Content-Length": str(length), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(reply.body)

        do_HEAD = do_GET

        def do_CONNECT(self) -> None:
            self.wfile.write(site.raw[self.command])
            self.close_connection = True

        def log_message(self, *_unused: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield site
        site.closing.set()
        server.shutdown()


def nobody() -> str:
    """Return the URL of a site that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
