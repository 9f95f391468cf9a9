# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is a package mirror, and how tests ask it and break it."""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from lab.nodes import podman
from lab.upstream import mirror_server
from tests.faults.conftest import Node

PLAYBOOK = "molecule/package_mirror/converge.yml"
CACHE = "/var/cache/evenkeel"
LOG = "/var/log/nginx/evenkeel-package-mirror.log"


@dataclass(frozen=True)
class Answer:
    """What came back; not whole where the connection ended before all that was announced."""

    status: int
    cache: str
    body: bytes
    whole: bool = True


@dataclass(frozen=True)
class Mirror:
    """The node, and how it is asked."""

    node: Node
    tls: bool = False

    @property
    def address(self) -> str:
        return str(self.node.variables["ansible_host"])

    @property
    def url(self) -> str:
        return f"https://{self.address}:8443" if self.tls else f"http://{self.address}:8008"

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        if self.tls:
            trust = ssl._create_unverified_context()  # noqa: S323 - clients of the node check it
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.address, 8443, timeout=120, context=trust
            )
        else:
            connection = http.client.HTTPConnection(self.address, 8008, timeout=120)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=sent)
        received = connection.getresponse()
        cache = received.headers["X-Cache-Status"] or ""
        try:
            return Answer(received.status, cache, received.read())
        except http.client.IncompleteRead as error:
            return Answer(received.status, cache, error.partial, whole=False)
        finally:
            connection.close()

    def run(self, command: str) -> str:
        return str(self.node.host.check_output(f"evenkeel-package-mirror {command}"))

    def bytes(self) -> list[int]:
        """Return how many bytes it has sent, and received from upstreams."""
        return [int(number) for number in re.findall(r"(\d+) bytes", self.run("status"))]

    def logged(self, words: str) -> list[str]:
        """Return the lines of its log that hold these words."""
        return [line for line in self.node.host.check_output(f"cat {LOG}").splitlines() if words in line]

    def damage(self, path: str, at: int) -> None:
        """Change a kept file at an offset."""
        kept = self.node.host.check_output(f"grep --recursive --files-with-matches --text 'KEY: {path}' {CACHE}")
        self.node.host.check_output(f"printf damage | dd of={kept.splitlines()[0]} bs=1 seek={at} conv=notrunc")


@contextmanager
def packages_of_the_lab(node: Node) -> Iterator[None]:
    """Let a node find nginx, and remove all of a mirror from it afterwards."""
    source = (
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {node.variables['lab_mirror_url']}/debian"
        " bookworm main"
    )
    node.host.check_output("echo %s >/etc/apt/sources.list.d/lab.list", source)
    yield
    made = (
        *("/etc/nginx", "/var/log/nginx", "/etc/systemd/system/evenkeel-package-mirror.*", "/usr/local/lib/evenkeel"),
        *("/usr/local/sbin/evenkeel-package-mirror", CACHE, "/var/lib/evenkeel/package_mirror"),
        "/etc/apt/sources.list.d/lab.list",
    )
    node.host.check_output(
        f"systemctl disable --now evenkeel-package-mirror.timer; umount {CACHE}; dpkg --purge nginx nginx-common;"
        f" rm -rf {' '.join(made)}; systemctl daemon-reload"
    )
    node.strip()


class _Handler(mirror_server.Handler):
    server: Upstream

    def do_GET(self) -> None:
        if self.server.away:
            return self._error(HTTPStatus.SERVICE_UNAVAILABLE)
        return super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        self.server.asked.append(format % arguments)


class Upstream(mirror_server.Mirror):
    """The lab's server of a folder, on this machine, where nodes reach it; it keeps what it was asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, str(podman.subnet()[1]), 0)
        self.asked: list[str] = []
        self.away = False
        self.RequestHandlerClass = _Handler

    @property
    def url(self) -> str:
        return f"http://{podman.subnet()[1]}:{self.server_port}"


@contextmanager
def upstream_of(root: Path) -> Iterator[Upstream]:
    """Serve a folder to nodes."""
    with Upstream(root) as upstream:
        thread = threading.Thread(target=partial(upstream.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield upstream
        finally:
            upstream.shutdown()
            thread.join()
