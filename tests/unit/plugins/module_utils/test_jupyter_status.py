# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of a notebook server: what its answers mean, how long to wait, and the questions themselves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_status as jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter_status import Observation, Verdict

KERNELS = frozenset({"ai-dev", "python3"})
NOT_YET = Verdict("The notebook server does not answer", "Its journal says why", final=False)


@pytest.mark.parametrize(
    ("seen", "problem", "final"),
    [
        pytest.param(Observation(), "does not answer", False, id="no answer"),
        pytest.param(Observation(503), "answers 503", False, id="not up yet"),
        pytest.param(Observation(403), "refuses the token", True, id="another token"),
        pytest.param(Observation(404), "is not a notebook server", True, id="something else"),
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


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:1/")
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_observe_a_server(url: str) -> None:
    assert jupyter_status.observe(url + "lab/", "secret") == Observation(200, 403, KERNELS)
    assert jupyter_status.observe(url + "lab/", "wrong") == Observation(403)
    assert jupyter_status.observe(url, "secret") == Observation(404)


def test_observe_nothing() -> None:
    assert jupyter_status.observe("http://127.0.0.1:1/", "secret") == Observation()


def test_token_that_can_not_be_read() -> None:
    with pytest.raises(EvenkeelError, match="The token can't be read"):
        jupyter_status.read_token("/nonexistent/token")
