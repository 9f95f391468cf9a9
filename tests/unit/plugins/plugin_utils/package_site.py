# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server of package indexes on the loopback interface."""

from __future__ import annotations

import base64
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "me", "open-sesame"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and below ``/private`` only for those who know the password."""

    #: By path, status, type and content of an answer that is none of the folder's files; of a redirection, its target
    #: is in place of the type.
    answers: dict[str, tuple[int, str, bytes]]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/private") and self.headers.get("Authorization") != AUTHORIZATION:
            self.answer(401, "text/plain", b"")
        elif self.path in self.answers:
            self.answer(*self.answers[self.path])
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        self.answer(405, "text/plain", b"")

    def answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Basic realm=here")
        name = {302: "Location"}.get(status, "Content-Encoding" if kind == "gzip" else "Content-Type")
        self.send_header(name, kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_message: object) -> None:
        """Keep the tests' output free of requests."""


class Site:
    """A web server of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []
        handler = type("Handler", (Handler,), {"answers": self.answers, "asked": self.asked})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"

    def index(self, name: str, wheels: Path) -> str:
        """Make an index of a folder of wheels, which moves there; return its URL."""
        files = self.folder / name / "files"
        files.parent.mkdir(parents=True, exist_ok=True)
        wheels.rename(files)
        for file in files.iterdir():
            page = self.folder / name / "simple" / file.name.split("-")[0].replace("_", "-") / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            with page.open("a") as stream:
                stream.write(f'<a href="../../files/{file.name.replace("+", "%2B")}">{file.name}</a>\n')
        return f"{self.url}/{name}/simple"
