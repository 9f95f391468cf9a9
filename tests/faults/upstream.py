# SPDX-License-Identifier: GPL-3.0-or-later
"""An upstream of package mirrors on the node itself: the lab's server, which redirects where a file beside one says.

It is another host too, with TLS, and a name server that knows every name as this node's. Run as a program with the
folder of files, whose folder ``cdn`` is the other host's, and with a certificate and its key.
"""

from __future__ import annotations

import socketserver
import ssl
import sys
import threading
from http import HTTPStatus
from pathlib import Path

from lab.upstream import mirror_server

PORT = 8090
_HERE = "127.0.0.1"


class Redirecting(mirror_server.Handler):
    """Redirects to what is in ``FILE.location``."""

    def do_GET(self) -> None:
        place = Path(f"{self.server.root}{self.path}.location")
        if not place.exists():
            return super().do_GET()
        self.log_request("redirect")
        return self._head(HTTPStatus.FOUND, {"Location": place.read_text(), "Content-Length": "0"})


class Names(socketserver.BaseRequestHandler):
    """Answers each question for an address of IPv4 with this node's, and others with none."""

    def handle(self) -> None:
        query, channel = self.request
        question = query[12 : query.index(0, 12) + 5]
        found = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if question[-4:-2] == b"\0\1" else b""
        counts = b"\0\1\0" + bytes([bool(found)]) + bytes(4)
        channel.sendto(query[:2] + b"\x81\x80" + counts + question + found, self.client_address)


def main(root: Path, certificate: str, key: str) -> None:
    """Serve for ever."""
    mirror_server.Handler = Redirecting  # type: ignore[misc]
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate, key)
    servers = (
        mirror_server.Mirror(root, _HERE, PORT),
        mirror_server.Mirror(root / "cdn", _HERE, 443, trust),
        socketserver.ThreadingUDPServer((_HERE, 53), Names),
    )
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
