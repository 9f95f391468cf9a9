# SPDX-License-Identifier: GPL-3.0-or-later
"""What people reach through the front door, and what they don't: from another machine, over TLS that is verified."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websocket
from testinfra.host import Host

from lab import browser, nodes

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
AUTHORITY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ca" / "ca.pem"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def told(self) -> dict[str, Any]:
        """What the backend says it was asked."""
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Door:
    """The front door of the node at ``address``, asked for by ``name``."""

    address: str
    name: str

    def ask(self, path: str, method: str = "GET", body: bytes = b"", host: str = "") -> Answer:
        """Ask over TLS; the certificate is verified, and is to be one for ``name``."""
        connection = http.client.HTTPConnection(host or self.name, timeout=30)
        connection.sock = self.connect()
        return answer(connection, path, method, body)

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Return a connection, verified but for another ``context``."""
        context = context or ssl.create_default_context(cafile=AUTHORITY)
        return context.wrap_socket(socket.create_connection((self.address, 443), 30), server_hostname=self.name)


def answer(connection: http.client.HTTPConnection, path: str, method: str = "GET", body: bytes = b"") -> Answer:
    connection.request(method, path, body or None)
    received = connection.getresponse()
    found = Answer(received.status, received.headers, received.read().decode())
    connection.close()
    return found


@pytest.fixture
def door(host: Host) -> Door:
    node = next(node for node in nodes.find(GROUP) if node.name == host.backend.host)
    return Door(node.address, f"{node.name}.evenkeel.test")


def test_it_runs_and_starts_at_boot(host: Host) -> None:
    assert host.service("nginx").is_running
    assert host.service("nginx").is_enabled


def test_its_certificate_is_for_the_name_and_the_address(door: Door) -> None:
    assert door.ask("/healthz").status == 200
    assert Door(door.address, door.address).ask("/healthz").status == 200


def test_nobody_trusts_it_unasked(door: Door) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        door.connect(ssl.create_default_context())


def test_it_speaks_no_old_tls(door: Door) -> None:
    context = ssl.create_default_context(cafile=AUTHORITY)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        door.connect(context)


def test_its_key_is_roots_alone(host: Host) -> None:
    key = host.file("/etc/evenkeel/front_door/key.pem")
    assert (key.user, key.mode) == ("root", 0o600)
    assert not host.file("/etc/evenkeel/front_door/.key.pem.new").exists


@pytest.mark.parametrize("user", ["ana", "bo"])
def test_a_path_leads_to_its_users_server(door: Door, user: str) -> None:
    told = door.ask(f"/user/{user}/lab/tree/a%20b?reset&x=%2F").told
    assert told["user"] == user
    assert told["path"] == f"/user/{user}/lab/tree/a%20b?reset&x=%2F"


def test_a_server_learns_who_asks_and_how(door: Door) -> None:
    headers = door.ask("/user/ana/").told["headers"]
    here = socket.create_connection((door.address, 443), 30).getsockname()[0]
    assert headers["Host"] == door.name
    assert headers["X-Forwarded-Proto"] == headers["X-Scheme"] == "https"
    assert headers["X-Forwarded-For"] == headers["X-Real-IP"] == here


@pytest.mark.parametrize("user", ["ana", "bo"])
def test_web_sockets_go_through(door: Door, user: str) -> None:
    channel = websocket.create_connection(
        f"wss://{door.name}/user/{user}/api/kernels/1/channels", socket=door.connect()
    )
    channel.send("through")
    assert channel.recv() == "THROUGH"
    channel.close()


def test_large_requests_go_through(door: Door) -> None:
    assert door.ask("/user/ana/api/contents/x", "POST", b"x" * 5_000_000).told["length"] == 5_000_000


@pytest.mark.parametrize("path", ["/user/dee/", "/user/", "/api", "/user/ana/../../etc/passwd", "/nginx_status"])
def test_other_paths_are_not_found(door: Door, path: str) -> None:
    assert door.ask(path).status == 404


@pytest.mark.parametrize("path", ["/", "/user/ana/"])
def test_other_names_are_not_found(door: Door, path: str) -> None:
    assert door.ask(path, host="elsewhere.evenkeel.test").status == 404


def test_the_front_names_nobody(door: Door) -> None:
    front = door.ask("/")
    assert front.status == 200
    assert f"https://{door.name}/user/NAME/" in front.text
    assert "ana" not in front.text
    assert front.headers["Server"] == "nginx"  # without its version


def test_browsers_are_told_to_stay_with_tls(door: Door) -> None:
    assert door.ask("/user/ana/").headers["Strict-Transport-Security"] == "max-age=86400"


def test_a_server_that_does_not_run_is_told_of_in_words(door: Door) -> None:
    silent = door.ask("/user/cy/lab")
    assert silent.status == 502
    assert "does not answer" in silent.text


def test_plain_http_is_sent_to_tls(door: Door) -> None:
    connection = http.client.HTTPConnection(door.address, timeout=30)
    connection.request("GET", "/user/ana/lab?x=1", headers={"Host": door.name})
    sent = connection.getresponse()
    assert (sent.status, sent.headers["Location"]) == (301, f"https://{door.name}/user/ana/lab?x=1")


def test_passwords_can_not_be_tried_at_will(door: Door) -> None:
    tried = [door.ask("/user/bo/login?next=%2F", "POST").status for _ in range(8)]
    assert tried[0] == 200
    assert 429 in tried
    assert {door.ask("/user/bo/login").status for _ in range(8)} == {200}


@pytest.fixture(scope="module")
def authority() -> Iterator[browser.Browser]:
    found = {f"{node.name}.evenkeel.test": node.address for node in nodes.find(GROUP)}
    with browser.opened(trusted=AUTHORITY, hosts=found) as page:
        yield page


def test_a_browser_that_trusts_the_authority_opens_it(authority: browser.Browser, door: Door) -> None:
    authority.open(f"https://{door.name}/user/ana/")
    assert json.loads(authority.text)["user"] == "ana"


def test_a_browser_that_does_not_warns(door: Door) -> None:
    with browser.opened(hosts={door.name: door.address}) as page:
        page.open(f"https://{door.name}/user/ana/")
        assert "ERR_CERT_AUTHORITY_INVALID" in page.text
