# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of a notebook server: what its answers mean, how long to wait, and the questions themselves."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_status as jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter_status import Observation, Place, Verdict

KERNELS = frozenset({"ai-dev", "python3"})
NOT_YET = Verdict("does not answer", "Its journal says why", final=False)


@pytest.mark.parametrize(
    ("seen", "problem", "final"),
    [
        pytest.param(Observation(), "does not answer", False, id="no answer"),
        pytest.param(Observation(503), "answers 503", False, id="not up yet"),
        pytest.param(Observation(403), "refuses the token", True, id="another token"),
        pytest.param(Observation(404), "what answers there says 404", True, id="something else"),
        pytest.param(Observation(200, 200, KERNELS), "lets people in without a token", True, id="open to all"),
        pytest.param(Observation(200, 302, KERNELS), "lets people in without a token", True, id="redirects"),
        pytest.param(Observation(200, 403, frozenset()), "does not offer these kernels: ai-dev", True, id="no kernels"),
        pytest.param(Observation(200, 403, KERNELS), "", True, id="ready"),
    ],
)
def test_judge(seen: Observation, problem: str, final: bool) -> None:
    verdict = jupyter_status.judge(seen, ["ai-dev"])
    assert problem in verdict.problem
    assert verdict.ready is (problem == "")
    assert verdict.final is final


@pytest.mark.parametrize(
    ("seen", "problem", "final"),
    [
        pytest.param(Observation(), "does not answer", False, id="no answer"),
        pytest.param(Observation(without_token=200), "lets people in without a token", True, id="open to all"),
        pytest.param(Observation(without_token=403), "", True, id="guarded, with an older token"),
    ],
)
def test_judge_what_waits_for_its_restart(seen: Observation, problem: str, final: bool) -> None:
    verdict = jupyter_status.judge(seen, ["ai-dev"], waiting=True)
    assert problem in verdict.problem
    assert (verdict.ready, verdict.final) == (problem == "", final)


@pytest.mark.parametrize(
    ("verdicts", "timeout", "looks", "ready"),
    [
        pytest.param([Verdict()], 60, 1, True, id="at once"),
        pytest.param([NOT_YET, NOT_YET, Verdict()], 60, 3, True, id="after a while"),
        pytest.param([NOT_YET, Verdict("broken", "mend"), Verdict()], 60, 2, False, id="final problem"),
        pytest.param([NOT_YET] * 99, 10, 10, False, id="never"),
        pytest.param([NOT_YET] * 99, 0, 1, False, id="one look"),
    ],
)
def test_wait(verdicts: list[Verdict], timeout: float, looks: int, ready: bool) -> None:
    clock = [0.0]
    looked = []

    def look() -> Verdict:
        looked.append(clock[0])
        return verdicts[len(looked) - 1]

    def pause(seconds: float) -> None:
        clock[0] += seconds

    verdict = jupyter_status.wait(look, timeout, now=lambda: clock[0], pause=pause)
    assert verdict.ready is ready
    assert len(looked) == looks
    assert clock[0] <= timeout


class Server(BaseHTTPRequestHandler):
    """Answers like a notebook server below the base path /lab/ whose token is ``secret``."""

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "token secret"
        bodies = {"/lab/api/status": {}, "/lab/api/kernelspecs": {"kernelspecs": {name: {} for name in KERNELS}}}
        status = 404 if self.path not in bodies else 200 if allowed else 403
        body = json.dumps(bodies.get(self.path)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class UnixServer(HTTPServer):
    """The same on a socket of the file system."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        """Leave out what only a port has."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Give the client an address, which the handler expects."""
        return self.socket.accept()[0], ("", 0)


@pytest.fixture(params=["port", "socket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:1/")
    if request.param == "port":
        server = HTTPServer(("127.0.0.1", 0), Server)
        where = Place("127.0.0.1", server.server_port, None, "/lab/")
    else:
        server = UnixServer(str(tmp_path / "socket"), Server)
        where = Place("127.0.0.1", None, str(tmp_path / "socket"), "/lab/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield where
    server.shutdown()
    thread.join()
    server.server_close()


def test_observe_a_server(place: Place) -> None:
    assert jupyter_status.observe(place, "secret", waiting=False) == Observation(200, 403, KERNELS)
    assert jupyter_status.observe(place, "wrong", waiting=False) == Observation(403)
    assert jupyter_status.observe(place, "wrong", waiting=True) == Observation(without_token=403)
    assert jupyter_status.observe(replace(place, base_url="/"), "secret", waiting=False) == Observation(404)


def test_observe_nothing(tmp_path: Path) -> None:
    for nothing in (Place("127.0.0.1", 1, None, "/"), Place("", None, str(tmp_path / "none"), "/")):
        assert jupyter_status.observe(nothing, "secret", waiting=False) == Observation()


def test_token_that_can_not_be_read() -> None:
    with pytest.raises(EvenkeelError, match="The token can't be read"):
        jupyter_status.read_token("/nonexistent/token")
