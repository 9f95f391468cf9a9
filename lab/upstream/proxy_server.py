# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's forward proxy, whose only way out is the lab's mirror, whatever host it is asked for.

Runs alone on Python's standard library: ``python3 proxy_server.py HOST PORT``. A name that no resolver of the lab knows
is reached through it, which shows that a client used it.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_CHUNK = 64 * 1024
_SECONDS = 10


class Proxy(ThreadingHTTPServer):
    """Passes requests and tunnels on to ``mirror``, each in a thread of its own."""

    request_queue_size = 128

    def __init__(self, mirror: str, address: str, port: int) -> None:
        super().__init__((address, port), Handler)
        self.mirror = mirror

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong in here; one that hangs up is its own business."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers CONNECT, and GET and HEAD for a whole URL."""

    server: Proxy

    def do_CONNECT(self) -> None:
        """Open a tunnel to the mirror's port of the same number."""
        port = self.path.rpartition(":")[2]
        if not port.isdecimal():
            return self.send_error(HTTPStatus.BAD_REQUEST)
        with self._upstream(int(port)) as upstream:
            self.send_response(HTTPStatus.OK, "Connection established")
            self.end_headers()
            return self._relay(upstream)

    def do_HEAD(self) -> None:
        """Pass a request on."""
        self.do_GET()

    def do_GET(self) -> None:
        """Pass a request on, for this one time."""
        url = urlsplit(self.path)
        if url.scheme != "http":
            return self.send_error(HTTPStatus.BAD_REQUEST)
        kept = [f"{name}: {value}" for name, value in self.headers.items() if not name.lower().startswith("proxy-")]
        target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        lines = [f"{self.command} {target} HTTP/1.0", *kept, "", ""]
        with self._upstream(url.port or 80) as upstream:
            upstream.sendall("\r\n".join(lines).encode())
            self.log_request("passed on")
            return self._relay(upstream)

    def log_message(self, format: str, *arguments: object) -> None:
        """Write one line for each request to standard output, where ``podman logs`` finds it."""
        print(f"{self.log_date_time_string()} proxy {self.address_string()} {format % arguments}", flush=True)

    def _upstream(self, port: int) -> socket.socket:
        return socket.create_connection((self.server.mirror, port), timeout=_SECONDS)

    def _relay(self, upstream: socket.socket) -> None:
        """Carry bytes both ways until one side has no more."""
        self.close_connection = True
        upstream.settimeout(None)
        other = {self.connection: upstream, upstream: self.connection}
        with selectors.DefaultSelector() as selector, contextlib.suppress(ConnectionError):
            for side in other:
                selector.register(side, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    chunk = key.fileobj.recv(_CHUNK)  # type: ignore[union-attr]
                    if not chunk:
                        return
                    other[key.fileobj].sendall(chunk)


if __name__ == "__main__":
    with Proxy(sys.argv[1], "0.0.0.0", int(sys.argv[2])) as proxy:  # noqa: S104
        proxy.serve_forever()
