# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for a person's notebook server: answers every GET with the person's name, on a port or on a socket."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Answer(BaseHTTPRequestHandler):
    """Says whose server this is."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(getpass.getuser().encode())

    def address_string(self) -> str:
        """Return nothing; a socket's client has no address."""
        return ""


class OnSocket(HTTPServer):
    """Listens on a socket that nobody else can open."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        """Take the place."""
        os.umask(0o177)
        self.socket.bind(self.server_address)


def main() -> None:
    """Serve until killed."""
    place = sys.argv[1]
    server = HTTPServer(("127.0.0.1", int(place)), Answer) if place.isdigit() else OnSocket(place, Answer)  # type: ignore[arg-type]
    server.serve_forever()


if __name__ == "__main__":
    main()
