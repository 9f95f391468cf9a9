# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import download, patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

NAME = "Miniconda3-py313_26.7.1-0-Linux-x86_64"
INSTALLER = b"#!/bin/sh\necho the installer\n"
SHA256 = hashlib.sha256(INSTALLER).hexdigest()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", *, claimed: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if claimed is None else claimed))
    handler.end_headers()
    handler.wfile.write(body)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


class Mirror(ThreadingHTTPServer):
    """A mirror that gives the answers it was given, one for each request; the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.requests = 0
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{NAME}.sh"

    def stay_silent(self, handler: BaseHTTPRequestHandler) -> None:
        self.closing.wait(60)

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 200, INSTALLER[:1], claimed=1000)
        while not self.closing.wait(0.01):
            with suppress(ConnectionError):
                handler.wfile.write(b"x")

    def drip_headers(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.closing.wait(0.01):
            with suppress(ConnectionError):
                handler.wfile.write(b"X-Wait: a little\r\n")

    def fall_silent(self, handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 200, INSTALLER[:5], claimed=len(INSTALLER))
        self.closing.wait(60)


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        index = min(self.server.requests, len(self.server.answers) - 1)
        self.server.requests += 1
        self.server.answers[index](self)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Mirror() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the download paused between attempts; it does not really."""
    seconds: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=seconds.append, monotonic=time.monotonic))
    return seconds


SENT = partial(answer, status=200, body=INSTALLER)
TRUNCATED = partial(answer, status=200, body=INSTALLER[:5], claimed=len(INSTALLER))
UNAVAILABLE = partial(answer, status=503)


@pytest.mark.parametrize(
    "failures",
    [[], [UNAVAILABLE], [partial(answer, status=500), UNAVAILABLE], [TRUNCATED], [hang_up], [TRUNCATED, UNAVAILABLE]],
    ids=["at once", "503", "500 and 503", "truncated", "hung up", "truncated and 503"],
)
def test_what_passes_is_tried_again(
    mirror: Mirror, pauses: list[float], tmp_path: Path, failures: list[Callable[[BaseHTTPRequestHandler], None]]
) -> None:
    mirror.answers = [*failures, SENT]
    target = tmp_path / "installer"
    assert download.download(mirror.url, str(target), timeout=5, retries=2) == SHA256
    assert target.read_bytes() == INSTALLER
    assert mirror.requests == len(failures) + 1
    assert pauses == [2, 4][: len(failures)]


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (403, "Forbidden"), (401, "Unauthorized")])
def test_a_refusal_is_final(mirror: Mirror, pauses: list[float], tmp_path: Path, status: int, reason: str) -> None:
    mirror.answers = [partial(answer, status=status), SENT]
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} answered {status} {reason}"):
        download.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=3)
    assert mirror.requests == 1
    assert not pauses


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (UNAVAILABLE, "answered 503 Service Unavailable"),
        (TRUNCATED, rf"did not deliver \(.*{len(INSTALLER)}.*\)"),
        (hang_up, r"did not deliver \(.+\)"),
    ],
    ids=["503", "truncated", "hung up"],
)
def test_retries_are_bounded(
    mirror: Mirror,
    pauses: list[float],
    tmp_path: Path,
    failure: Callable[[BaseHTTPRequestHandler], None],
    reason: str,
) -> None:
    mirror.answers = [failure]
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} {reason}, 5 times in a row"):
        download.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=4)
    assert mirror.requests == 5
    assert pauses == [2, 4, 8, 10]


@pytest.mark.parametrize("silent", [Mirror.stay_silent, Mirror.fall_silent])
def test_silence_is_bounded(
    mirror: Mirror,
    pauses: list[float],
    tmp_path: Path,
    silent: Callable[[Mirror, BaseHTTPRequestHandler], None],
) -> None:
    mirror.answers = [partial(silent, mirror)]
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} did not deliver .*timed out.*, 2 times in a row"):
        download.download(mirror.url, str(tmp_path / "installer"), timeout=0.1, retries=1)


@pytest.mark.parametrize(
    ("dripping", "words"),
    [
        (Mirror.drip, r"sent \d+ bytes in 0\.2 s; less than 10000 bytes"),
        (Mirror.drip_headers, "timed out after 0.4 s"),
    ],
    ids=["body", "headers"],
)
def test_a_drip_is_bounded(
    mirror: Mirror,
    pauses: list[float],
    tmp_path: Path,
    dripping: Callable[[Mirror, BaseHTTPRequestHandler], None],
    words: str,
) -> None:
    mirror.answers = [partial(dripping, mirror)]
    with pytest.raises(EvenkeelError, match=rf"^{mirror.url} did not deliver \({words}.*\), 2 times in a row"):
        download.download(mirror.url, str(tmp_path / "installer"), timeout=0.2, retries=1)
    assert mirror.requests == 2


def unannounced(handler: BaseHTTPRequestHandler, times: int = 1) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(ConnectionError):
        for _ in range(times):
            handler.wfile.write(INSTALLER)


@pytest.mark.parametrize(
    "too_much",
    [partial(unannounced, times=1 << 20), partial(answer, status=200, body=INSTALLER * 2)],
    ids=["endless", "announced"],
)
def test_more_than_it_may_have_is_refused_and_not_kept(
    mirror: Mirror, pauses: list[float], tmp_path: Path, too_much: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    mirror.answers = [too_much]
    target = tmp_path / "installer"
    most = len(INSTALLER)
    with pytest.raises(EvenkeelError, match=f"^{mirror.url} sends more than the {most} bytes that it is allowed"):
        download.download(mirror.url, str(target), timeout=5, retries=3, most=most)
    assert not target.exists() or target.stat().st_size == 0
    assert mirror.requests == 1


@pytest.mark.parametrize("length", [None, "none", "-1", ""])
def test_a_server_may_announce_no_length_or_a_wrong_one(mirror: Mirror, tmp_path: Path, length: str | None) -> None:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(INSTALLER)

    mirror.answers = [send]
    assert download.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=0) == SHA256


@pytest.mark.parametrize(("retries", "often"), [(0, ""), (1, ", 2 times in a row")])
def test_nobody_listens(pauses: list[float], tmp_path: Path, retries: int, often: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # without listening, so that nobody else can
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(EvenkeelError, match=f"did not deliver .*refused.*\\){often}\\. "):
            download.download(url, str(tmp_path / "installer"), timeout=5, retries=retries)
    assert len(pauses) == retries


def test_a_preflight_asks_once(mirror: Mirror, pauses: list[float], tmp_path: Path) -> None:
    mirror.answers = [partial(answer, status=503)]
    with patience.asking_once(5, 60):
        for ask in (partial(download.download, target=str(tmp_path / "installer")), download.beginning):
            with pytest.raises(EvenkeelError, match=rf"^{mirror.url} answered 503 \w+ \w+\. "):
                ask(mirror.url, timeout=30, retries=3)
    assert (mirror.requests, pauses) == (2, [])


def test_what_does_not_fit_is_not_begun(mirror: Mirror, pauses: list[float], tmp_path: Path) -> None:
    mirror.answers = [partial(answer, status=200, claimed=1 << 60)]
    target = tmp_path / "installer"
    with pytest.raises(
        EvenkeelError, match=rf"^{mirror.url} needs {1 << 60} bytes, and the file system of {tmp_path} "
    ):
        download.download(mirror.url, str(target), timeout=5, retries=3, most=1 << 61)
    assert not target.exists()
    assert mirror.requests == 1


DAMAGED = partial(answer, status=200, body=b"!" + INSTALLER[1:])


@pytest.mark.parametrize(
    ("wanted", "later", "found", "requests"),
    [(SHA256, SENT, SHA256, 2), (SHA256, DAMAGED, None, 2), (SHA256, UNAVAILABLE, None, 2), ("", SENT, None, 1)],
    ids=["damaged in a cache", "damaged at its source", "its source is away", "no matter what"],
)
def test_what_comes_damaged_is_asked_for_past_caches(
    mirror: Mirror,
    tmp_path: Path,
    wanted: str,
    later: Callable[[BaseHTTPRequestHandler], None],
    found: str | None,
    requests: int,
) -> None:
    asked: list[str | None] = []

    def noting(send: Callable[[BaseHTTPRequestHandler], None], handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Cache-Control"])
        send(handler)

    mirror.answers = [partial(noting, DAMAGED), partial(noting, later)]
    digest = download.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=0, sha256=wanted)
    assert digest == (found or hashlib.sha256(b"!" + INSTALLER[1:]).hexdigest())
    assert asked == [None, "no-cache"][:requests]


def test_a_copy_tells_what_it_copied(tmp_path: Path) -> None:
    (tmp_path / "brought").write_bytes(INSTALLER)
    assert download.copy(str(tmp_path / "brought"), str(tmp_path / "copy")) == SHA256
    assert (tmp_path / "copy").read_bytes() == INSTALLER


# beginning


LARGE = INSTALLER * 10_000


def part(handler: BaseHTTPRequestHandler, of: int | str) -> None:
    first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {first}-{last}/{of}")
    handler.send_header("Content-Length", str(last + 1 - first))
    handler.end_headers()
    handler.wfile.write(LARGE[first : last + 1])


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (SENT, (INSTALLER, len(INSTALLER))),
        (unannounced, (INSTALLER, None)),
        (partial(part, of=len(LARGE)), (LARGE[: 64 << 10], len(LARGE))),
        (partial(part, of="*"), (LARGE[: 64 << 10], None)),
    ],
    ids=["whole", "unannounced", "part", "part of an unknown whole"],
)
def test_the_beginning_of_a_download_and_its_size(
    mirror: Mirror, sent: Callable[[BaseHTTPRequestHandler], None], found: tuple[bytes, int | None]
) -> None:
    mirror.answers = [sent]
    assert download.beginning(mirror.url, timeout=5, retries=0) == download.Beginning(*found)
    assert mirror.requests == 1


def test_the_beginning_of_a_large_download_is_all_that_is_read(mirror: Mirror) -> None:
    mirror.answers = [partial(unannounced, times=1 << 20)]
    assert len(download.beginning(mirror.url, timeout=5, retries=0).content) == download.BEGINNING_BYTES


def test_the_beginning_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "installer.sh").write_bytes(INSTALLER)
    found = download.beginning((tmp_path / "installer.sh").as_uri(), timeout=5, retries=0)
    assert found == download.Beginning(INSTALLER, len(INSTALLER))


@pytest.mark.parametrize(
    "failure",
    [partial(answer, status=404), UNAVAILABLE, hang_up, partial(answer, status=200, body=b"x" * (1 << 16))],
    ids=["404", "503", "hung up", "too much"],
)
def test_the_beginning_fails_as_the_download_does(
    mirror: Mirror, pauses: list[float], tmp_path: Path, failure: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    mirror.answers = [failure]
    with pytest.raises(EvenkeelError) as of_download:
        download.download(mirror.url, str(tmp_path / "installer"), timeout=5, retries=1, most=1000)
    with pytest.raises(EvenkeelError) as of_beginning:
        download.beginning(mirror.url, timeout=5, retries=1, most=1000)
    assert str(of_beginning.value) == str(of_download.value)


@pytest.mark.parametrize(
    ("failing", "timeout", "words"),
    [
        (Mirror.stay_silent, 0.2, "timed out"),
        (Mirror.drip, 0.2, "timed out after 0.4 s"),
        (Mirror.drip_headers, 0.2, "timed out after 0.4 s"),
        (lambda _, handler: TRUNCATED(handler), 60, f"5 of {len(INSTALLER)} bytes"),
    ],
    ids=["silent", "drip", "headers", "truncated"],
)
def test_a_beginning_is_waited_for_no_longer_than_asked(
    mirror: Mirror, failing: Callable[[Mirror, BaseHTTPRequestHandler], None], timeout: float, words: str
) -> None:
    mirror.answers = [partial(failing, mirror)]
    with pytest.raises(EvenkeelError, match=rf"did not deliver \(.*{words}.*\)\. "):
        download.beginning(mirror.url, timeout=timeout, retries=0)
