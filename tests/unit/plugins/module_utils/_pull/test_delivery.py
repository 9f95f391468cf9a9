# SPDX-License-Identifier: GPL-3.0-or-later
"""A report reaches a server, a folder, or a host over SSH, or the reason why not is named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import delivery
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings

SETTINGS = Settings(host="gpu1", remote="/srv/site.git", inventory="inventories/mine")


class Reports(BaseHTTPRequestHandler):
    """Takes reports from who has the token, and knows one place that has moved."""

    taken: list[tuple[str, str]]

    def do_PUT(self) -> None:
        """Take a report."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        moved = self.path.startswith("/moved")
        allowed = self.headers["Authorization"] == "Bearer the-token"
        if allowed and not moved:
            self.taken.append((self.path, text))
        self.send_response(301 if moved else 201 if allowed else 401)
        if moved:
            self.send_header("Location", "/reports/gpu1.json")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Reports.taken = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Reports) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: ThreadingHTTPServer, path: str) -> Settings:
    return replace(SETTINGS, report_to=f"http://127.0.0.1:{server.server_port}/{path}")


def token(places: Places, text: str) -> None:
    path = Path(places.path("report_token"))
    path.write_text(text)
    path.chmod(0o600)


def test_a_report_is_put_with_a_token(server: ThreadingHTTPServer, places: Places) -> None:
    token(places, "the-token\n")
    delivery.deliver(url(server, "reports/"), places, "{}\n")
    assert Reports.taken == [("/reports/gpu1.json", "{}\n")]


@pytest.mark.parametrize(
    ("known", "path", "word"), [("old", "reports", "expired"), ("the-token", "moved", "status 301")]
)
def test_what_the_server_refuses_is_named(
    server: ThreadingHTTPServer, places: Places, known: str, path: str, word: str
) -> None:
    token(places, known)
    with pytest.raises(EvenkeelError, match=word):
        delivery.deliver(url(server, path), places, "{}\n")
    assert Reports.taken == []


def test_a_server_that_is_away_is_named(places: Places) -> None:
    with pytest.raises(EvenkeelError, match=r"http://127\.0\.0\.1:1/gpu1\.json"):
        delivery.deliver(replace(SETTINGS, report_to="http://127.0.0.1:1"), places, "{}\n")


def test_a_folder_gets_whole_reports(tmp_path: Path, places: Places) -> None:
    to = replace(SETTINGS, report_to=str(tmp_path / "reports"))
    with pytest.raises(EvenkeelError, match="is not there"):
        delivery.deliver(to, places, "{}\n")
    (tmp_path / "reports").mkdir()
    for text in ("{}\n", "[]\n"):
        delivery.deliver(to, places, text)
        assert [(path.name, path.read_text()) for path in (tmp_path / "reports").iterdir()] == [("gpu1.json", text)]


def test_rsync_is_called_with_known_hosts_alone(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rsync"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked; for last; do :; done; test "$last" = a@b:/r/gpu1.json\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    delivery.deliver(replace(SETTINGS, report_to="a@b:/r"), places, "{}\n")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert f"UserKnownHostsFile={places.known_hosts}" in asked[3]
    with pytest.raises(EvenkeelError, match="pull_agent_report_key"):
        delivery.deliver(replace(SETTINGS, report_to="a@c:/r"), places, "{}\n")


def test_nothing_is_delivered_nowhere(places: Places) -> None:
    delivery.deliver(SETTINGS, places, "{}\n")
