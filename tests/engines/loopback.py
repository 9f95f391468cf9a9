# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on this machine that answers in place of somebody's API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: str


#: An HTTP status, and a text.
Answer = tuple[int, str]


@contextmanager
def served(answer: Callable[[Request], Answer], headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve answers, each with some headers; the value is the URL."""

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            asked = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, text = answer(Request(self.command, asked.path, parse_qs(asked.query), self.headers, body))
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_OPTIONS = reply

        def log_message(self, *_unused: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
