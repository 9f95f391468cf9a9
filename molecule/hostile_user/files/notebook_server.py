#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A notebook server as its user may replace it: ``notebook_server.py MODE`` runs as that user.

It takes the server's socket over, and floods every client, drips, or answers JSON of an unexpected shape.
"""

import os
import pwd
import socket
import sys
import threading
import time
from pathlib import Path

BLOCK = b"x" * (1 << 20)
WRONG_SHAPE = b'{"kernelspecs": [[1], 2]}'


def answer(connection: socket.socket, mode: str) -> None:
    """Answer one request."""
    try:
        request = connection.recv(65536)
        if mode == "flood":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(BLOCK)
        elif mode == "drip":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                connection.sendall(b"x")
                time.sleep(5)
        elif b"token" not in request:
            connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        elif request.startswith(b"POST"):
            connection.sendall(b"HTTP/1.1 201 Yes\r\nContent-Length: 3\r\n\r\n[1]")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(WRONG_SHAPE), WRONG_SHAPE))
        connection.close()
    except OSError:
        pass


def main() -> None:
    """Serve until killed."""
    path = Path(f"/run/jupyter-{pwd.getpwuid(os.getuid()).pw_name}/server.sock")
    path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(50)
    print("ready", flush=True)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=answer, args=(connection, sys.argv[1]), daemon=True).start()


if __name__ == "__main__":
    main()
