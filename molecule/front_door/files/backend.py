#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that returns each request, and sends back what comes over a WebSocket; ana's is on a port.

It has what a page of somebody else would be after: a cookie for every browser that opens ``visit``, and for that
cookie a terminal and a WebSocket, which it counts. With ``attack?URL`` it is a server whose owner has made it attack
another.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

USER = sys.argv[1]
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ATTACK = Path("/usr/local/share/attack.html")
TAKEN = {"terminals": 0, "sockets": 0}


class Handler(BaseHTTPRequestHandler):
    """Answers any request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        page = self.path.partition("?")[0].rpartition("/")[2]
        if self.headers.get("Upgrade") == "websocket":
            TAKEN["sockets"] += self.known
            self.echo()
        elif page == "attack":
            self.answer(ATTACK.read_bytes(), {"Content-Type": "text/html"})
        elif page == "taken":
            self.answer(json.dumps(TAKEN).encode())
        else:
            TAKEN["terminals"] += self.known and self.command == "POST" and page == "terminals"
            cookie = {"Set-Cookie": f"session={USER}; Path=/user/{USER}/; HttpOnly"} if page == "visit" else {}
            reported = {"user": USER, "path": self.path, "length": length, "headers": dict(self.headers)}
            self.answer(json.dumps({**reported, "known": self.known}).encode(), cookie)

    do_POST = do_GET

    @property
    def known(self) -> bool:
        """Whether a browser that has visited asks."""
        return f"session={USER}" in self.headers.get("Cookie", "")

    def answer(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send what was asked for."""
        hostile = {"Clear-Site-Data": '"cookies"', "Strict-Transport-Security": "max-age=1; includeSubDomains"}
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", **hostile, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def echo(self) -> None:
        """Send one short text back, in capitals."""
        proof = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + MAGIC).encode()).digest()  # noqa: S324
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(proof).decode())
        self.end_headers()
        _, size = self.rfile.read(2)
        mask = self.rfile.read(4)
        text = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.rfile.read(size & 0x7F)))
        self.wfile.write(bytes([0x81, len(text)]) + text.upper())

    def address_string(self) -> str:
        """Say nothing of a client on a socket."""
        return "client"


class OnPort(socketserver.ThreadingTCPServer):
    """Listens on the loopback address."""

    allow_reuse_address = True


class OnSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on a socket of a group."""

    address_family = socket.AF_UNIX


with (
    OnPort(("127.0.0.1", 8889), Handler) if USER == "ana" else OnSocket(f"/run/backend-{USER}/socket", Handler)
) as server:
    server.serve_forever()
