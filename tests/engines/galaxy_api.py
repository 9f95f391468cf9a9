# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of Galaxy's API that publishes collections."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Galaxy(ThreadingHTTPServer):
    """Keeps what it was sent, with the token."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), Handler)
        self.sent: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.server_address[0]!s}:{self.server_port}/api/"


class Handler(BaseHTTPRequestHandler):
    """Answers one client."""

    server: Galaxy

    def do_GET(self) -> None:
        """Name the API's version, and end each import at once."""
        imported = "/imports/" in self.path
        self._answer(
            {"state": "completed", "finished_at": "now"} if imported else {"available_versions": {"v3": "v3/"}}
        )

    def do_POST(self) -> None:
        """Take an archive."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.append((self.headers["Authorization"] or "", body))
        self._answer({"task": "/api/v3/imports/collections/1/"})

    def _answer(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(address: str) -> Iterator[Galaxy]:
    """Serve one at an address of this machine."""
    with Galaxy(address) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
