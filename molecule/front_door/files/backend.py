#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that tells what it was asked, and sends back what comes over a WebSocket; ana's is on a port."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

USER = sys.argv[1]
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(BaseHTTPRequestHandler):
    """Answers any request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.headers.get("Upgrade") == "websocket":
            self.echo()
            return
        told = {"user": USER, "path": self.path, "length": length, "headers": dict(self.headers)}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

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
