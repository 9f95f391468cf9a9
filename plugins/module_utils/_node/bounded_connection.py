# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Connections to what users run, which may flood, drip or hang: they end at a deadline and after so many bytes."""

from __future__ import annotations

import io
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

# OpenSSL's X509_V_FLAG_PARTIAL_CHAIN, which Python 3.9 has no name for: the server's own certificate is trust enough.
_PARTIAL_CHAIN = 0x80000


class TooMuch(OSError):
    """The other side sent more than it may."""


@dataclass(frozen=True)
class Place:
    """Where a server is reached; on a socket where there is no port. ``certificate`` is a file, for TLS."""

    address: str
    port: int | None
    socket_path: str | None
    base_url: str
    certificate: str | None = None

    def connect(self, deadline: float, most_bytes: int) -> Connection:
        """Return a connection to the server.

        Parameters
        ----------
        deadline
            When it ends, on the clock of ``time.monotonic``.
        most_bytes
            How many bytes may come.
        """
        patience = _seconds_until(deadline)
        if self.socket_path:
            channel = socket.socket(socket.AF_UNIX)
            channel.settimeout(patience)
            channel.connect(self.socket_path)
        else:
            channel = socket.create_connection((self.address, self.port or 0), patience)
        if self.certificate:
            context = ssl.create_default_context(cafile=self.certificate)
            context.check_hostname = False
            context.verify_flags |= _PARTIAL_CHAIN
            channel.settimeout(_seconds_until(deadline))
            channel = context.wrap_socket(channel)
        return Connection(channel, deadline, most_bytes)


class Connection:
    """A connection as ``http.client`` uses sockets."""

    def __init__(self, channel: socket.socket, deadline: float, most_bytes: int) -> None:
        self._channel, self._deadline, self._left = channel, deadline, most_bytes

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def sendall(self, data: bytes) -> None:
        """Send all of it, or raise an error at the deadline."""
        self._channel.settimeout(_seconds_until(self._deadline))
        self._channel.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what comes as a stream, which outlives the connection's ``close``."""
        return io.BufferedReader(_Stream(self, self._channel.makefile("rb", buffering=0)))

    def receive(self, stream: io.RawIOBase, buffer: bytearray) -> int:
        """Read what there is of a stream of this connection's."""
        self._channel.settimeout(_seconds_until(self._deadline))
        count = stream.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise TooMuch("it sends more than it may")
        return count

    def close(self) -> None:
        """End it, once its streams are closed too."""
        self._channel.close()


class _Stream(io.RawIOBase):
    """What comes, within the limits of its connection."""

    def __init__(self, connection: Connection, stream: Any) -> None:
        super().__init__()
        self._connection, self._stream = connection, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive(self._stream, buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _seconds_until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
