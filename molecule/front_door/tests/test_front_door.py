# SPDX-License-Identifier: GPL-3.0-or-later
"""What people reach through the front door, and what they don't: from another machine, over TLS that is verified."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websocket
from testinfra.host import Host

from lab.nodes import nodes
from lab.people import browser

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
#: The name of the user Cy.Z, as DNS takes it.
CY = "cy-z-fb26e53333998d0b"
AUTHORITY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ca" / "ca.pem"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def reported(self) -> dict[str, Any]:
        """What the backend says it was asked."""
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Door:
    """The front door of the node at ``address``, asked for by ``name``."""

    address: str
    name: str

    def of(self, label: str) -> Door:
        """The same door, asked for by the name of a user."""
        return Door(self.address, f"{label}.{self.name}")

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        host: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask over TLS; the certificate is verified, and must be one for ``name``."""
        connection = http.client.HTTPConnection(host or self.name, timeout=30)
        connection.sock = self.connect()
        return answer(connection, path, method, body, headers)

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Return a connection, verified but for another ``context``."""
        context = context or ssl.create_default_context(cafile=AUTHORITY)
        return context.wrap_socket(socket.create_connection((self.address, 443), 30), server_hostname=self.name)


def answer(
    connection: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    connection.request(method, path, body or None, dict(headers or {}))
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


@pytest.mark.parametrize("label", ["ana", "bo", CY, "nobody"])
def test_its_certificate_is_for_all_names(door: Door, label: str) -> None:
    assert door.ask("/healthz").status == 200
    assert door.of(label).ask("/healthz").status == 200


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
def test_a_name_leads_to_its_users_server(door: Door, user: str) -> None:
    reported = door.of(user).ask(f"/user/{user}/lab/tree/a%20b?reset&x=%2F").reported
    assert reported["user"] == user
    assert reported["path"] == f"/user/{user}/lab/tree/a%20b?reset&x=%2F"
    assert door.of(user).ask("/").headers["Location"] == f"/user/{user}/"


FORGED = {
    "X-Forwarded-For": "192.0.2.6",
    "X-Real-IP": "192.0.2.6",
    "X-Forwarded-Proto": "http",
    "X-Scheme": "http",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=192.0.2.6;host=evil.test",
    "X_Real_IP": "192.0.2.6",
}


@pytest.mark.parametrize("sent", [{}, FORGED])
def test_a_server_learns_from_nginx_alone_who_asks_and_how(door: Door, sent: dict[str, str]) -> None:
    headers = door.of("ana").ask("/user/ana/", headers=sent).reported["headers"]
    here = socket.create_connection((door.address, 443), 30).getsockname()[0]
    assert headers["Host"] == headers["X-Forwarded-Host"] == f"ana.{door.name}"
    assert headers["X-Forwarded-Proto"] == headers["X-Scheme"] == "https"
    assert headers["X-Forwarded-For"] == headers["X-Real-IP"] == here
    assert not {"X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded", "X_Real_IP"} & headers.keys()


@pytest.mark.parametrize("user", ["ana", "bo"])
def test_web_sockets_go_through(door: Door, user: str) -> None:
    channel = websocket.create_connection(
        f"wss://{user}.{door.name}/user/{user}/api/kernels/1/channels", socket=door.of(user).connect()
    )
    channel.send("through")
    assert channel.recv() == "THROUGH"
    channel.close()


def test_web_sockets_of_pages_elsewhere_do_not(door: Door) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(
            f"wss://bo.{door.name}/user/bo/api/kernels/1/channels",
            socket=door.of("bo").connect(),
            origin=f"https://ana.{door.name}",
        )


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("GET", "lab", {}, 200, id="a program reads"),
        pytest.param("GET", "lab", {"Sec-Fetch-Site": "none"}, 200, id="a typed address"),
        pytest.param("GET", "lab", {"Sec-Fetch-Site": "same-origin"}, 200, id="a link of its own"),
        pytest.param("GET", "lab", {"Sec-Fetch-Site": "same-site"}, 403, id="a link of another user"),
        pytest.param("GET", "lab", {"Sec-Fetch-Site": "cross-site"}, 403, id="a link of a wiki"),
        pytest.param("GET", "lab", {"Origin": "{ana}"}, 403, id="another user's script reads"),
        pytest.param("GET", "lab", {"Origin": "null"}, 403, id="a page in a sandbox reads"),
        pytest.param("OPTIONS", "lab", {"Origin": "{ana}"}, 403, id="another user's script asks first"),
        pytest.param(
            "POST", "api/terminals", {"Origin": "{bo}", "Sec-Fetch-Site": "same-origin"}, 200, id="its own page"
        ),
        pytest.param("POST", "api/terminals", {"Origin": "{bo}"}, 200, id="its own page in an older browser"),
        pytest.param(
            "POST", "api/terminals", {"Origin": "{ana}", "Sec-Fetch-Site": "same-site"}, 403, id="another user's"
        ),
        pytest.param("POST", "api/terminals", {"Origin": "{ana}"}, 403, id="another user's in an older browser"),
        pytest.param("POST", "api/terminals", {"Origin": "{bo}.evil.test"}, 403, id="a name that begins like it"),
        pytest.param("POST", "api/terminals", {"Origin": "http://bo.{name}"}, 403, id="a page without TLS"),
        pytest.param("POST", "api/terminals", {"Origin": "null"}, 403, id="a page in a sandbox"),
        pytest.param("POST", "api/terminals", {}, 403, id="nobody says whose page"),
        pytest.param("POST", "api/terminals", {"Cookie": "session=bo"}, 403, id="no origin, with a cookie"),
        pytest.param("POST", "api/terminals", {"Authorization": "token x"}, 200, id="a program with a token"),
        pytest.param("POST", "api/terminals?token=x", {}, 200, id="a program with a token in the address"),
        pytest.param(
            "POST", "api/terminals", {"Authorization": "token x", "Origin": "{ana}"}, 403, id="a page with a token"
        ),
        pytest.param("DELETE", "api/terminals/1", {"Origin": "{ana}"}, 403, id="another method"),
    ],
)
def test_pages_elsewhere_do_nothing(door: Door, method: str, path: str, headers: dict[str, str], status: int) -> None:
    names = {"ana": f"https://ana.{door.name}", "bo": f"https://bo.{door.name}", "name": door.name}
    sent = {name: value.format(**names) for name, value in headers.items()}
    assert door.of("bo").ask(f"/user/bo/{path}", method, headers=sent).status == status


def test_a_link_elsewhere_leads_to_a_page_with_a_link_of_its_own(door: Door) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    refused = door.of("bo").ask('/user/bo/lab"<script>?token=x', headers=link)
    assert refused.headers["Content-Type"] == "text/html"
    assert "<a href='?'>" in refused.text
    assert "script>" not in refused.text
    assert "token=x" not in refused.text


def test_large_requests_go_through(door: Door) -> None:
    sent = {"Authorization": "token x"}
    assert (
        door.of("ana").ask("/user/ana/api/contents/x", "POST", b"x" * 5_000_000, headers=sent).reported["length"]
        == 5_000_000
    )


@pytest.mark.parametrize("label", ["ana", "nobody"])
@pytest.mark.parametrize("path", ["/user/bo/", "/user/dee/", "/user/", "/api", "/nginx_status"])
def test_other_paths_are_not_found(door: Door, label: str, path: str) -> None:
    assert door.of(label).ask(path).status == 404


def test_the_path_of_another_user_is_not_found_by_detour(door: Door) -> None:
    assert door.of("ana").ask("/user/ana/../bo/").status == 404


@pytest.mark.parametrize("path", ["/", "/user/ana/"])
def test_other_names_are_not_found(door: Door, path: str) -> None:
    assert door.ask(path, host="elsewhere.evenkeel.test").status == 404
    assert door.ask(path, host=f"x.ana.{door.name}").status == 404


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/user/ana/", 404)])
def test_the_front_names_nobody(door: Door, path: str, status: int) -> None:
    front = door.ask(path)
    assert front.status == status
    assert f"https://NAME.{door.name}/" in front.text
    assert "ana" not in front.text
    assert front.headers["Server"] == "nginx"  # without its version


def test_browsers_are_told_what_pages_may_do(door: Door) -> None:
    headers = door.of("ana").ask("/user/ana/").headers
    assert headers.get_all("Strict-Transport-Security") == ["max-age=86400"]
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Clear-Site-Data" not in headers


def test_cookies_are_for_tls_and_the_same_site(door: Door) -> None:
    cookie = door.of("ana").ask("/user/ana/visit").headers["Set-Cookie"]
    assert cookie == "session=ana; Path=/user/ana/; Secure; SameSite=Strict; HttpOnly"


def test_a_server_that_does_not_run_is_told_of_in_words(door: Door) -> None:
    silent = door.of(CY).ask("/user/Cy.Z/lab")
    assert silent.status == 502
    assert "does not answer" in silent.text


def test_plain_http_is_sent_to_tls(door: Door) -> None:
    connection = http.client.HTTPConnection(door.address, timeout=30)
    connection.request("GET", "/user/ana/lab?x=1", headers={"Host": f"ana.{door.name}"})
    sent = connection.getresponse()
    assert (sent.status, sent.headers["Location"]) == (301, f"https://ana.{door.name}/user/ana/lab?x=1")


def test_no_log_has_a_token(door: Door, host: Host) -> None:
    """However it was sent, also to a server that does not run, whose failure nginx would log with the request."""
    for user, label in (("ana", "ana"), ("Cy.Z", CY), ("nobody", "nobody")):
        path, there = f"/user/{user}/lab", door.of(label)
        there.ask(f"{path}?token=hushed")
        there.ask(f"{path}%3Ftoken=hushed")
        there.ask(path, headers={"Referer": f"https://{there.name}{path}?token=hushed"})
        there.ask(f"{path}?token=hushed", headers={"Sec-Fetch-Site": "cross-site"})
        there.ask(f"{path}?token=hushed", host="elsewhere.test")
        there.ask(f"/user/{user}/login?token=hushed", "POST")
        plain = http.client.HTTPConnection(door.address, timeout=30)
        assert answer(plain, f"{path}?token=hushed", headers={"Host": there.name}).status == 301
    seen = "grep -r %s /var/log/nginx"
    assert host.run(seen % f"'GET /user/Cy.Z/lab HTTP/1.1. 502 .*{CY}.{door.name} 127.0.0.1:8891 502'").rc == 0
    assert host.run(seen % "hushed").rc == 1


def test_passwords_can_not_be_tried_at_will(door: Door) -> None:
    own = {"Origin": f"https://bo.{door.name}"}
    tried = [door.of("bo").ask("/user/bo/login?next=%2F", "POST", headers=own).status for _ in range(8)]
    assert tried[0] == 200
    assert 429 in tried
    assert {door.of("bo").ask("/user/bo/login").status for _ in range(8)} == {200}


@pytest.fixture(scope="module")
def authority() -> Iterator[browser.Browser]:
    found = {f"*.{node.name}.evenkeel.test": node.address for node in nodes.find(GROUP)}
    with browser.opened(trusted=AUTHORITY, hosts=found) as page:
        yield page


def test_a_browser_that_trusts_the_authority_opens_it(authority: browser.Browser, door: Door) -> None:
    authority.open(f"https://ana.{door.name}/user/ana/")
    assert json.loads(authority.text)["user"] == "ana"


def test_a_browser_that_does_not_warns(door: Door) -> None:
    with browser.opened(hosts={f"*.{door.name}": door.address}) as page:
        page.open(f"https://ana.{door.name}/user/ana/")
        assert "ERR_CERT_AUTHORITY_INVALID" in page.text
