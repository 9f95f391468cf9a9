# SPDX-License-Identifier: GPL-3.0-or-later
"""A git server over HTTP, and a place for reports, for whom they know by a token; runs on a node, with Python alone.

Usage: git_http.py PORT REPOSITORIES REPORTS FILE, where FILE has the tokens, one a line.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BACKEND = "/usr/lib/git-core/git-http-backend"


class Handler(BaseHTTPRequestHandler):
    """Answers git by git's own backend, and keeps what is put."""

    repositories, reports, tokens = Path(), Path(), Path()

    def do_GET(self) -> None:
        """Answer git."""
        self._git()

    def do_POST(self) -> None:
        """Answer git."""
        self._git()

    def do_PUT(self) -> None:
        """Keep a report."""
        text = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens.read_text().split()
        if known:
            (self.reports / Path(self.path).name).write_bytes(text)
        self._end(201 if known else 401)

    def _git(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if login.partition(":")[2] not in self.tokens.read_text().split():
            self._end(401)
            return
        path, _mark, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run([BACKEND], input=body, capture_output=True, check=True, env=environment)
        head, _empty, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _end(self, status: int) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    """Serve until killed."""
    port, *folders = sys.argv[1:]
    Handler.repositories, Handler.reports, Handler.tokens = map(Path, folders)
    ThreadingHTTPServer(("", int(port)), Handler).serve_forever()  # as any server of a site


if __name__ == "__main__":
    main()
