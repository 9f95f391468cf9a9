# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of a notebook server: what its answers mean, how long to wait, and the questions themselves."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import status as jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.status import Observation, Verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_user
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.bounded_connection import Place

from tests.unit.plugins.module_utils._jupyter.socket_server import serving

KERNELS = frozenset({"ai-dev", "python3"})
NOT_YET = Verdict("does not answer", "See its journal", final=False)


@pytest.mark.parametrize(
    ("seen", "problem", "final"),
    [
        pytest.param(Observation(), "does not answer", False, id="no answer"),
        pytest.param(Observation(503), "answers 503", False, id="not up yet"),
        pytest.param(Observation(403), "refuses the token", True, id="another token"),
        pytest.param(Observation(404), "it answers 404", True, id="something else"),
        pytest.param(Observation(200, 200, KERNELS), "lets people in without a token", True, id="open to all"),
        pytest.param(Observation(200, 302, KERNELS), "lets people in without a token", True, id="redirects"),
        pytest.param(Observation(200, 403, frozenset()), "does not offer these kernels: ai-dev", True, id="no kernels"),
        pytest.param(Observation(floods=True), "sends more than 1048576 bytes", True, id="a flood"),
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
        pytest.param([NOT_YET, Verdict("broken", "remedy"), Verdict()], 60, 2, False, id="final problem"),
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


def observe(place: Place, token: str, *, waiting: bool = False) -> Observation:
    return jupyter_status.observe(place, token, waiting=waiting, end=time.monotonic() + 60)


def test_observe_a_server(place: Place) -> None:
    assert observe(place, "secret") == Observation(200, 403, KERNELS)
    assert observe(place, "wrong") == Observation(403)
    assert observe(place, "wrong", waiting=True) == Observation(without_token=403)
    assert observe(replace(place, base_url="/"), "secret") == Observation(404)


def test_observe_nothing(tmp_path: Path) -> None:
    for nothing in (Place("127.0.0.1", 1, None, "/"), Place("", None, str(tmp_path / "none"), "/")):
        assert observe(nothing, "secret") == Observation()


OK = b"HTTP/1.1 200 OK\r\n"
SPECS = b'{"kernelspecs": {"ai-dev": {}, "python3": {}}}'
#: What a user may have put in the place of the server, and what is seen of it.
LIES = {
    "says nothing": ([], Observation()),
    "is no HTTP": ([b"SSH-2.0-OpenSSH_9.2\r\n"], Observation()),
    "has a status that is none": ([b"HTTP/1.1 two hundred\r\n\r\n"], Observation()),
    "has a header without end": ([OK, b"X: ", b"x" * 200_000], Observation()),
    "has headers without end": ([OK, b"X: y\r\n" * 1000], Observation()),
    "continues without end": ([b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000], Observation(floods=True)),
    "has a body without end": ([OK, b"\r\n", b"x" * (2 << 20)], Observation(floods=True)),
    "has chunks that are none": ([OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], Observation()),
    "has chunks without end": (
        [OK, b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\nxxxxxxxx\r\n" * 200_000],
        Observation(floods=True),
    ),
    "redirects to itself": ([b"HTTP/1.1 302 Found\r\nLocation: /lab/api/status\r\n\r\n"], Observation(302)),
    "is cut off": ([OK, b"Content-Length: 100\r\n\r\nx"], Observation()),
    "lists what are no kernels": (
        [OK, b"Content-Length: 20\r\n\r\n", b'{"kernelspecs": 9   }'],
        Observation(200, 200, frozenset()),
    ),
    "nests": ([OK, b"Content-Length: 100000\r\n\r\n", b"[" * 100_000], Observation(200, 200, frozenset())),
    "lets everybody in": (
        [OK, b"Content-Length: %d\r\n\r\n" % len(SPECS), SPECS],
        Observation(200, 200, KERNELS),
    ),
}


@contextmanager
def liar(path: Path, pieces: Sequence[bytes], *, hold: bool = False) -> Iterator[Place]:
    """Answer each connection with the same bytes."""

    def answer(channel: socket.socket) -> None:
        channel.recv(65536)
        for piece in pieces:
            channel.sendall(piece)

    with serving(path, answer, hold=hold):
        yield Place("", None, str(path), "/lab/")


@pytest.mark.parametrize("lie", LIES)
def test_what_a_user_put_in_its_place_is_seen_through(tmp_path: Path, lie: str) -> None:
    pieces, seen = LIES[lie]
    with liar(tmp_path / "socket", pieces) as place:
        assert observe(place, "secret") == seen


def test_one_who_drips_is_left_at_the_end(tmp_path: Path) -> None:
    with liar(tmp_path / "socket", [OK, b"Content-Length: 9\r\n\r\nx"], hold=True) as place:
        assert jupyter_status.observe(place, "secret", waiting=False, end=time.monotonic() + 0.2) == Observation()
        assert jupyter_status.observe(place, "secret", waiting=False, end=time.monotonic() - 1) == Observation()


@pytest.mark.parametrize(
    ("body", "identifier"),
    [
        (b'{"id": "1f-2e"}', "1f-2e"),
        (b"[1]", None),
        (b'{"id": 1}', None),
        (b'{"id": "../../shutdown"}', None),
        (b'{"id": "a\\r\\nHost: b"}', None),
        (b"[" * 100_000, None),
        (b"\xff", None),
    ],
)
def test_an_id_comes_to_stand_in_a_path(body: bytes, identifier: str | None) -> None:
    assert jupyter_status._identifier(body) == identifier


@pytest.mark.parametrize(
    ("answer", "problem", "kernel"),
    [
        ({"problem": "", "remedy": "", "kernel": True}, "", True),
        ({"problem": "x" * 9999, "remedy": "", "kernel": 1}, "x" * 2000, False),
        ({"problem": 1, "remedy": ""}, "could not be examined", False),
        (None, "could not be examined", False),
        (as_user.Failed("ana", "it hangs", "Look"), "could not be examined: ana: it hangs", False),
    ],
)
def test_what_comes_back_from_the_users_process_is_not_believed(answer: Any, problem: str, kernel: bool) -> None:
    verdict, asked = jupyter_status.understood(answer)
    assert (verdict.problem, asked) == (problem, kernel)


@pytest.mark.parametrize(
    ("probe", "failures", "differing"),
    [
        ("full", [None], ["CUDA_VISIBLE_DEVICES"]),
        ("full", ["lost", None], ["CUDA_VISIBLE_DEVICES"]),
        ("full", ["lost", "lost"], []),
        ("light", [], []),
        ("waiting", [], []),
    ],
)
def test_the_kernel_that_computes_compares_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probe: str, failures: list[str | None], differing: list[str]
) -> None:
    asked: list[str] = []

    def ask(_place: Place, method: str, path: str, *_: object, **__: object) -> tuple[int, bytes]:
        asked.append(f"{method} {path}")
        if method == "POST":
            return 201, b'{"id": "1f"}'
        return 200, b'{"spec": {"env": {"CUDA_VISIBLE_DEVICES": "1"}}}'

    def compare(_place: Place, path: str, token: str, own: list[str], _deadline: float) -> list[str]:
        assert (path, token, asked[-1]) == ("/api/kernels/1f/channels", "hush", "GET api/kernelspecs/ai-dev")
        return own

    left = iter(failures)
    monkeypatch.setattr(jupyter_status, "observe", lambda *_, **__: Observation(200, 403, KERNELS))
    monkeypatch.setattr(jupyter_status, "ask", ask)
    monkeypatch.setattr(jupyter_status, "run_in_kernel", lambda *_: next(left))
    monkeypatch.setattr(jupyter_status.activation_check, "differing", compare)
    (tmp_path / "token").write_text("hush")
    server = {"token_file": str(tmp_path / "token"), "probe": probe, "scheme": "http", "address": "", "port": 1}
    answer = jupyter_status.examine({**server, "base_url": "/", "socket": None}, ["ai-dev"], 60)
    assert (answer["differing"], answer["problem"] != "") == (differing, failures == ["lost", "lost"])
    assert asked.count("DELETE api/kernels/1f") == len(failures)


@pytest.mark.parametrize(
    ("differing", "names"),
    [
        (["CUDA_HOME"], ("CUDA_HOME",)),
        (["A\x1b[2J", "A=secret", 1], ()),
        (["A"] * 1000, ("A",) * 20),
        ("CUDA_HOME", ()),
        (None, ()),
    ],
)
def test_names_that_come_back_from_the_users_process_are_names(differing: Any, names: tuple[str, ...]) -> None:
    answer = {"problem": "", "remedy": "", "kernel": True, "differing": differing}
    assert jupyter_status.understood(answer)[0].differing == names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no token file"),
        (b"two words", "holds no token"),
        (b"", "holds no token"),
        (b"x" * 5000, "can't be read"),
        ("a pipe", "can't be read"),
    ],
)
def test_a_token_file_is_its_users(tmp_path: Path, content: bytes | str | None, words: str) -> None:
    path = tmp_path / "token"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        os.mkfifo(path)
    server = {"token_file": str(path), "probe": "light", "scheme": "http", "address": "", "port": None, "base_url": "/"}
    answer = jupyter_status.examine({**server, "socket": str(tmp_path / "none")}, [], 0)
    assert words in answer["problem"]


def test_a_token_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("refuses")
    with liar(tmp_path / "socket", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]) as place:
        server = {
            "token_file": str(tmp_path / "token"),
            "probe": "light",
            "scheme": "http",
            "address": "",
            "port": None,
        }
        answer = jupyter_status.examine({**server, "base_url": "/", "socket": place.socket_path}, [], 0)
    assert answer["problem"].startswith("******** the token")
