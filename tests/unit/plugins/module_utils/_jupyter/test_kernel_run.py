# SPDX-License-Identifier: GPL-3.0-or-later
"""Code in a kernel over a WebSocket, whose other side may be anything."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import kernel_run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.bounded_connection import Place

from tests.unit.plugins.module_utils._jupyter.socket_server import serving

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
Answer = Callable[[str, int], list[bytes]]


def text(message: object, *, first: int = 0x81) -> bytes:
    """Return a frame as servers send it."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    if len(payload) < 126:
        return bytes([first, len(payload)]) + payload
    return bytes([first, 126]) + len(payload).to_bytes(2, "big") + payload


def said(asked: str, kind: str, **content: object) -> dict[str, object]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": asked}, "content": content}


def idle(asked: str) -> bytes:
    return text(said(asked, "status", execution_state="idle"))


def whole(asked: str, number: int) -> list[bytes]:
    of_others = text(said("other", "stream", text="another"))
    printed = json.dumps(said(asked, "stream", text=f"{number * 7}\n")).encode()
    halves = [text(printed[:40], first=0x01), text(b"hi", first=0x89), text(printed[40:], first=0x80)]
    return [text(b"\0\1", first=0x82), of_others, *halves, idle(asked)]


@contextmanager
def server(path: Path, answer: Answer, *, hold: bool = False) -> Iterator[Place]:
    """Answer a request for a WebSocket, and the code that comes over it."""

    def serve(channel: socket.socket) -> None:
        assert b"Authorization: token hush\r\n" in channel.recv(65536)
        channel.sendall(UPGRADE)
        head = channel.recv(65536)
        # The mask is before the payload, whose length is in two bytes.
        asked = json.loads(bytes(byte ^ head[4 + place % 4] for place, byte in enumerate(head[8:])))
        number = int(re.findall(r"print\((\d+)", asked["content"]["code"])[0])
        for piece in answer(asked["header"]["msg_id"], number):
            channel.sendall(piece)

    with serving(path, serve, hold=hold):
        yield Place("", None, str(path), "/")


def test_a_kernel_computes(tmp_path: Path) -> None:
    with server(tmp_path / "socket", whole, hold=True) as place:
        assert kernel_run.run(place, "/api/kernels/1/channels", "hush", time.monotonic() + 60) is None


LIES: dict[str, tuple[Answer, str]] = {
    "wrong": (lambda asked, _: [text(said(asked, "stream", text="8")), idle(asked)], "it printed '8'"),
    "an error": (
        lambda asked, _: [text(said(asked, "error", ename="NameError", evalue="x"))],
        "NameError: x",
    ),
    "closed": (lambda *_: [b"\x88\x00"], "ended before the code did"),
    "hung up": (lambda *_: [], "ended before the code did"),
    "no JSON": (lambda *_: [text(b"hello")], "other than messages of Jupyter"),
    "no message": (lambda *_: [text([1])], "other than messages of Jupyter"),
    "no text": (lambda asked, _: [text(said(asked, "stream", text=1))], "other than messages of Jupyter"),
    "nested": (lambda *_: [text(b"[" * 60_000)], "other than messages of Jupyter"),
    "no frame": (lambda *_: [b"\xff\xff"], "other than WebSocket frames"),
    "no kind": (lambda *_: [b"\x85\x00"], "other than WebSocket frames"),
    "masked": (lambda *_: [b"\x81\x81abcd!"], "other than WebSocket frames"),
    "huge": (lambda *_: [b"\x81\x7f" + b"\xff" * 8], "other than WebSocket frames"),
    "a flood": (lambda *_: [*[text(b"{}" * 20_000, first=0x01)] * 200], "more than it may"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_kernel_is_seen_through(tmp_path: Path, lie: str) -> None:
    answer, words = LIES[lie]
    with server(tmp_path / "socket", answer) as place:
        failed = kernel_run.run(place, "/", "hush", time.monotonic() + 60)
    assert words in (failed or "")


def test_one_who_says_nothing_more_is_left_at_the_end(tmp_path: Path) -> None:
    with server(tmp_path / "socket", lambda *_: [], hold=True) as place:
        assert "timed out" in (kernel_run.run(place, "/", "hush", time.monotonic() + 0.2) or "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "it answers 403"),
        (b"", "it answers "),
        (b"HTTP/1.1 101 x\r\n" + b"A: b\r\n" * 200, "its headers have no end"),
    ],
)
def test_what_is_no_websocket(answer: bytes, words: str) -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(answer)
        far.shutdown(socket.SHUT_WR)
        connection = kernel_run.Connection(near, time.monotonic() + 60, 1 << 20)
        with pytest.raises(kernel_run.Malformed, match=words):
            kernel_run._open(connection, connection.makefile("rb"), "/", "hush")
