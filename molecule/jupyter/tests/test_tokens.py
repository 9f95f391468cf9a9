# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a token goes that is part of an address: into a cookie, and into no log; and who is answered at all."""

from __future__ import annotations

import pytest
from testinfra.host import Host

TOKEN = '"$(cat /etc/evenkeel/jupyter/jupyter/token)"'  # noqa: S105
VISIT = "-H 'Sec-Fetch-Mode: navigate' -H 'Sec-Fetch-Site: none'"
LINK = "-H 'Sec-Fetch-Mode: navigate' -H 'Sec-Fetch-Site: cross-site'"
OLD_BROWSER = "-H 'Accept: text/html,*/*'"


def ask(host: Host, path: str, options: str = "") -> str:
    """Return the status line and the headers of an answer; ``TOKEN`` in a path is the server's."""
    url = f"http://127.0.0.1:8888{path.replace('TOKEN', TOKEN)}"
    return host.check_output(f"curl --silent --path-as-is --dump-header - --output /dev/null {options} {url}")


@pytest.mark.parametrize(
    ("path", "options", "location"),
    [
        ("/lab?token=TOKEN", VISIT, "Location: /lab\n"),
        ("/lab/tree/a%20b?reset\\&token=TOKEN\\&x=%2F", VISIT, "Location: /lab/tree/a%20b?reset&x=%2F\n"),
        ("/lab?token=TOKEN", LINK, "Refresh: 0; url=/lab\n"),
        ("/lab?token=TOKEN", OLD_BROWSER, "Refresh: 0; url=/lab\n"),
        ("//elsewhere.test/lab?token=TOKEN", VISIT, "Location: /elsewhere.test/lab\n"),
    ],
)
def test_a_browser_goes_on_with_a_cookie(host: Host, path: str, options: str, location: str) -> None:
    answer = ask(host, path, options).replace("\r", "") + "\n"
    assert location in answer
    assert "Cache-Control: no-store\n" in answer
    assert "Referrer-Policy: no-referrer\n" in answer
    (cookie,) = [line for line in answer.splitlines() if line.startswith("Set-Cookie: username-")]
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))


def test_a_wrong_token_leads_to_the_login_page_without_it(host: Host) -> None:
    answer = ask(host, "/lab?token=guess", f"{VISIT} --location")
    assert "Location: /lab\r" in answer
    assert "Location: /login?next=%2Flab\r" in answer
    assert "Set-Cookie: username-" not in answer


def test_the_cookie_opens_the_page(host: Host) -> None:
    jar = "--cookie-jar /tmp/jar --cookie /tmp/jar --location"
    assert "HTTP/1.1 200 OK" in ask(host, "/lab?token=TOKEN", f"{VISIT} {jar}")


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/api/status?token=TOKEN", "", 200),
        ("/api/status?token=TOKEN", VISIT, 200),
        ("/lab?token=TOKEN", "", 200),
        ("/api/status?token=guess", "", 403),
    ],
)
def test_programs_are_answered_where_they_ask(host: Host, path: str, options: str, status: int) -> None:
    assert ask(host, path, options).startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize(
    ("name", "status"),
    [("localhost:8888", 200), ("127.0.0.1", 200), ("[::1]:99", 200), ("evil.test", 403), ("10.0.0.7", 403), ("[", 403)],
)
def test_it_answers_for_its_own_names_alone(host: Host, name: str, status: int) -> None:
    assert ask(host, "/login", f"-H 'Host: {name}'").startswith(f"HTTP/1.1 {status} ")


def test_no_token_is_in_the_journal(host: Host) -> None:
    """Jupyter leaves it out of what it logs of requests, and not out of what it logs of failures."""
    for path in ("api/contents/nope", "nope", "nbconvert/html/nope", "lab"):
        ask(host, f"/{path}?token=TOKEN")
    for path in ("api/sessions", "api/kernels"):
        ask(host, f"/{path}?token=TOKEN", "-X POST -d '{'")
    ask(host, "/api/contents/nope", f"-H 'Referer: http://x.test/?token='{TOKEN}")
    journal = "journalctl --unit jupyter@jupyter"
    assert "token=[secret]" in host.check_output(journal)
    assert host.run(f"{journal} | grep --fixed-strings {TOKEN}").rc == 1
