# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on a socket of the file system, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def serving(path: Path, answer: Callable[[socket.socket], None], *, hold: bool = False) -> Iterator[None]:
    """Answer each connection, and then hang up, or hold it until the end."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(16)

        def serve() -> None:
            while True:
                channel, _ = listening.accept()
                with channel, suppress(OSError):
                    if done.is_set():
                        return
                    answer(channel)
                    if hold:
                        done.wait()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            with socket.socket(socket.AF_UNIX) as last, suppress(ConnectionRefusedError):
                last.connect(str(path))
            thread.join()
