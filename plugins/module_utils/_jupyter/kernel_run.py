# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run code in a kernel of a notebook server, over its WebSocket; neither the server nor the kernel is trusted."""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Iterator
from typing import IO, Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.bounded_connection import Connection, Place

_MOST_BYTES = 4 << 20
_MOST_HEADERS = 100
_LONGEST_LINE = 8192
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class Malformed(OSError):
    """What came is not a WebSocket, or not a message of Jupyter."""


def run(place: Place, path: str, token: str, deadline: float) -> str | None:
    """Compute something in a kernel, and return what went wrong, or None.

    Parameters
    ----------
    path
        Of the kernel's channels.
    token
        What opens them.
    deadline
        When to give up, on the clock of ``time.monotonic``.
    """
    question = uuid.uuid4().int % 1000003
    try:
        printed = printed_by(place, path, token, "print(%d * 7)" % question, deadline)
    except OSError as error:
        return str(error.strerror or error)
    if printed.strip() != str(question * 7):
        return "it printed %r, which is not %d times 7" % (printed[:80], question)
    return None


def printed_by(place: Place, path: str, token: str, code: str, deadline: float) -> str:
    """Return what code prints in a kernel; the parameters are those of ``run``.

    Raises
    ------
    OSError
        The code raised an error, or there was no answer in time, or one of something else.
    """
    asked = request(code)
    with place.connect(deadline, _MOST_BYTES) as connection, connection.makefile("rb") as stream:
        _open(connection, stream, path, token)
        connection.sendall(frame(_TEXT, json.dumps(asked).encode()))
        return output_of(asked, _messages(connection, stream))


def request(code: str) -> dict[str, Any]:
    """Return the message of Jupyter's protocol that runs ``code``."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid.uuid4().hex,
        "username": "",
        "version": "5.4",
    }
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": {**content, "stop_on_error": True},
        "channel": "shell",
        "buffers": [],
    }


def output_of(asked: dict[str, Any], messages: Iterator[str]) -> str:
    """Return what the request's code printed, once the kernel is idle again.

    Raises
    ------
    Malformed
        The code raised an error, or a message is not one of Jupyter's.
    """
    printed = ""
    for text in messages:
        try:
            message = json.loads(text)
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != asked["header"]["msg_id"]:
                continue
            if kind == "error":
                raise Malformed("%s: %s" % (content["ename"], content["evalue"]))
            if kind == "stream":
                printed += content["text"]
            if kind == "status" and content["execution_state"] == "idle":
                return printed
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Malformed("it sends something other than messages of Jupyter") from None
    raise Malformed("the connection ended before the code did")


def frame(kind: int, payload: bytes) -> bytes:
    """Return a frame as clients send it, masked."""
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | kind, 0x80 | length])
    elif length < 1 << 16:
        head = bytes([0x80 | kind, 0x80 | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x80 | kind, 0x80 | 127]) + length.to_bytes(8, "big")
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def _open(connection: Connection, stream: IO[bytes], path: str, token: str) -> None:
    """Ask for the WebSocket."""
    lines = [
        "GET %s HTTP/1.1" % path,
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: %s" % base64.b64encode(os.urandom(16)).decode(),
        "Authorization: token %s" % token,
    ]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    status = stream.readline(_LONGEST_LINE).split(None, 2)
    if status[1:2] != [b"101"]:
        raise Malformed(
            "it answers %s to the request for a WebSocket" % b" ".join(status[1:2]).decode(errors="replace")
        )
    for _unused in range(_MOST_HEADERS):
        if stream.readline(_LONGEST_LINE) in (b"\r\n", b"\n", b""):
            return
    raise Malformed("its headers have no end")


def _messages(connection: Connection, stream: IO[bytes]) -> Iterator[str]:
    """Yield the messages that are text, until the other side closes; pings are answered."""
    pieces: list[bytes] = []
    text = False
    while True:
        kind, last, payload = _read_frame(stream)
        if kind == _CLOSE:
            return
        if kind == _PING:
            connection.sendall(frame(_PONG, payload[:125]))
        elif kind in (_TEXT, _BINARY, _CONTINUED):
            text = kind == _TEXT if kind != _CONTINUED else text
            pieces.append(payload)
            if last:
                if text:
                    yield b"".join(pieces).decode(errors="replace")
                pieces = []
        elif kind != _PONG:
            raise Malformed("it sends something other than WebSocket frames")


def _read_frame(stream: IO[bytes]) -> tuple[int, bool, bytes]:
    """Return kind, whether it ends its message, and payload."""
    head = _exactly(stream, 2)
    length = head[1] & 0x7F
    sane = not head[0] & 0x70 and not head[1] & 0x80
    if sane and length >= 126:
        length = int.from_bytes(_exactly(stream, 2 if length == 126 else 8), "big")
    if not sane or length > _MOST_BYTES:
        raise Malformed("it sends something other than WebSocket frames")
    return head[0] & 0x0F, bool(head[0] & 0x80), _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise Malformed("the connection ended before the code did")
    return data
