# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of GitHub's and GitLab's APIs that is about comments, served on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Who has it may comment.
TOKEN = "secret"  # noqa: S105


class Forge(ThreadingHTTPServer):
    """Keeps comments, and what it was asked.

    ``status`` is what writing ends with, and ``broken`` what questions get in place of an answer.
    """

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.status = 201
        self.broken = b""

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://{self.server_address[0]!s}:{self.server_port}"

    def add(self, body: str, *, mine: bool = False) -> None:
        """Add a comment of the token's account, or of somebody else."""
        whose = {"user": {"type": "Bot" if mine else "User"}, "author": {"id": 1 if mine else 2}}
        self.comments.append({"id": len(self.comments), "body": body, **whose})


class Handler(BaseHTTPRequestHandler):
    """Answers one client."""

    server: Forge

    def do_GET(self) -> None:
        """List comments, and say whose the token is."""
        query = parse_qs(urlsplit(self.path).query)
        if self.path == "/user":
            self._answer(200, {"id": 1})
        elif query["page"] and query["per_page"] == ["100"]:
            start = 100 * (int(query["page"][0]) - 1)
            self._answer(200, self.server.comments[start : start + 100])

    def do_POST(self) -> None:
        """Remember what is written."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        self.server.asked.append((f"{self.command} {self.path}", body))
        token = f"Bearer {TOKEN}" == self.headers["Authorization"] or self.headers["PRIVATE-TOKEN"] == TOKEN
        self._answer(self.server.status if token else 401, {})

    do_PATCH = do_PUT = do_POST

    def _answer(self, status: int, content: object) -> None:
        if self.server.broken and self.command == "GET":
            self.wfile.write(self.server.broken)
            self.close_connection = True
            return
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(address: str = "127.0.0.1") -> Iterator[Forge]:
    """Serve one at an address of this machine."""
    with Forge(address) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
