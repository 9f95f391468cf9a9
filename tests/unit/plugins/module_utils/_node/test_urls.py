# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.urls import open_url

LOGIN = "Basic " + base64.b64encode(b"me:open@sesame").decode()


class Server(ThreadingHTTPServer):
    """Redirects what is below ``/to/`` to the URL behind it; remembers the logins that it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.logins: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.logins.append(self.headers["Authorization"])
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True, params=["Ansible's", "Python's"])
def opener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open URLs with Ansible's code, and where there is none."""
    if request.param == "Python's":
        monkeypatch.setitem(sys.modules, "ansible.module_utils", None)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Return two servers, and have a netrc with a login at 127.0.0.1."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password open@sesame\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server() as first, Server() as second:
        threads = [threading.Thread(target=partial(one.serve_forever, poll_interval=0.01)) for one in (first, second)]
        for thread in threads:
            thread.start()
        yield first, second
        for one, thread in zip((first, second), threads, strict=True):
            one.shutdown()
            thread.join()


def test_a_login_of_netrc_goes_to_its_host_alone(servers: tuple[Server, Server]) -> None:
    first, second = servers
    elsewhere = f"http://localhost:{second.server_port}/file"
    with open_url(f"http://127.0.0.1:{first.server_port}/to/{elsewhere}", timeout=60) as response:
        assert response.geturl() == elsewhere
    assert (first.logins, second.logins) == ([LOGIN], [None])


def test_other_headers_are_sent(servers: tuple[Server, Server]) -> None:
    with open_url(f"http://127.0.0.1:{servers[0].server_port}/", timeout=60, headers={"Range": "bytes=0-1"}):
        assert servers[0].logins == [LOGIN]


@pytest.mark.parametrize("user", ["", "you:other@"])
def test_no_login_where_netrc_has_none_or_the_url_has_its_own(servers: tuple[Server, Server], user: str) -> None:
    host = "127.0.0.1" if user else "localhost"
    with open_url(f"http://{user}{host}:{servers[0].server_port}/", timeout=60):
        assert servers[0].logins == [None]


def test_no_netrc(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "gone"))
    with open_url(f"http://127.0.0.1:{servers[0].server_port}/", timeout=60):
        assert servers[0].logins == [None]


def test_a_file(servers: tuple[Server, Server], tmp_path: Path) -> None:
    with open_url((tmp_path / "netrc").as_uri(), timeout=60) as response:
        assert response.read().startswith(b"machine ")


def test_a_netrc_that_is_none(servers: tuple[Server, Server], tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("what is this\n")
    with open_url(f"http://127.0.0.1:{servers[0].server_port}/", timeout=60):
        assert servers[0].logins == [None]
