# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a token in an address goes: into a cookie, and into no log; and for which names a server answers."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest
from testinfra.host import Host

from lab.nodes import nodes
from lab.people import browser

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
TYPED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
LINKED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
OLD_BROWSER = {"Accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def server(host: Host) -> Iterator[str]:
    """The server's address on this machine."""
    (node,) = (node for node in nodes.find(GROUP) if node.name == host.backend.host)
    with browser.tunnel(node.address, 8888) as url:
        yield urlsplit(url).netloc


@pytest.fixture(scope="module")
def token(host: Host) -> str:
    return str(host.file("/etc/evenkeel/jupyter/jupyter/token").content_string)


def ask(
    server: str, path: str, headers: Mapping[str, str], method: str = "GET", body: str | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(server, timeout=60)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    answer.read()
    return answer


@pytest.mark.parametrize(
    ("path", "headers", "name", "value"),
    [
        ("/lab?token=TOKEN", TYPED, "Location", "/lab"),
        ("/lab/tree/a%20b?reset&token=TOKEN&x=%2F", TYPED, "Location", "/lab/tree/a%20b?reset&x=%2F"),
        ("//elsewhere.test/lab?token=TOKEN", TYPED, "Location", "/elsewhere.test/lab"),
        ("/lab?token=TOKEN", LINKED, "Refresh", "0; url=/lab"),
        ("/lab?token=TOKEN", OLD_BROWSER, "Refresh", "0; url=/lab"),
    ],
)
def test_a_browser_goes_on_with_a_cookie(
    server: str, token: str, path: str, headers: dict[str, str], name: str, value: str
) -> None:
    answer = ask(server, path.replace("TOKEN", token), headers)
    assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(attributes)
    assert ask(server, "/lab", {**TYPED, "Cookie": cookie}).status == 200


def test_a_wrong_token_leads_to_the_login_page_without_it(server: str) -> None:
    answer = ask(server, "/lab?token=guess", TYPED)
    assert (answer.status, answer.headers["Location"], answer.headers["Set-Cookie"]) == (302, "/lab", None)
    assert ask(server, "/lab", TYPED).headers["Location"] == "/login?next=%2Flab"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/status?token=TOKEN", {}, 200),
        ("/api/status?token=TOKEN", TYPED, 200),
        ("/lab?token=TOKEN", {}, 200),
        ("/api/status?token=guess", {}, 403),
    ],
)
def test_programs_are_answered_where_they_ask(
    server: str, token: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(server, path.replace("TOKEN", token), headers).status == status


@pytest.mark.parametrize(
    ("name", "status"),
    [("localhost:8888", 200), ("127.0.0.1", 200), ("[::1]:99", 200), ("evil.test", 403), ("10.0.0.7", 403)],
)
def test_it_answers_for_its_own_names_alone(server: str, name: str, status: int) -> None:
    assert ask(server, "/login", {"Host": name}).status == status


def test_no_token_is_in_the_journal(host: Host, server: str, token: str) -> None:
    """Jupyter leaves it out of what it logs of requests, and not out of what it logs of failures."""
    for path in ("api/contents/nope", "nope", "nbconvert/html/nope", "lab"):
        ask(server, f"/{path}?token={token}", {})
    for path in ("api/sessions", "api/kernels"):
        ask(server, f"/{path}?token={token}", {}, "POST", "{")
    ask(server, "/api/contents/nope", {"Referer": f"http://x.test/?token={token}"})
    journal = host.check_output("journalctl --unit jupyter@jupyter")
    assert "api/contents/nope?token=[secret]" in journal
    assert token not in journal
