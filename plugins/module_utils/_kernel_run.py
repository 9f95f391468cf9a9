# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Code in a kernel of a notebook server, over its WebSocket, which the server's own environment has a client for."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

_SECONDS = 120

_PROGRAM = """
import json, socket, ssl, sys, websocket
ask = json.load(sys.stdin)
if ask["socket"]:
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(ask["socket"])
else:
    channel = socket.create_connection((ask["address"], ask["port"]))
if ask["certificate"]:
    context = ssl.create_default_context(cafile=ask["certificate"])
    context.check_hostname = False
    context.verify_flags |= 0x80000
    channel = context.wrap_socket(channel)
header = {"Authorization": "token " + ask["token"]}
url = "ws://localhost" + ask["path"]
channels = websocket.create_connection(url, socket=channel, header=header, timeout=ask["seconds"])
channels.send(json.dumps(ask["request"]))
printed = ""
while True:
    message = json.loads(channels.recv())
    kind, content = message["header"]["msg_type"], message["content"]
    if message["parent_header"].get("msg_id") != ask["request"]["header"]["msg_id"]:
        continue
    if kind == "error":
        sys.exit(content["ename"] + ": " + content["evalue"])
    printed += content["text"] if kind == "stream" else ""
    if kind == "status" and content["execution_state"] == "idle":
        break
print(printed, end="")
"""


def run(channels: Mapping[str, Any], kernel: str, python: str, user: str) -> str | None:
    """Compute something in a kernel, and return what went wrong, or None.

    Parameters
    ----------
    channels
        Where the kernel's WebSocket is, and what opens it; it travels through a pipe, which nobody else can read.
    python
        A Python with websocket-client, which Jupyter Server requires itself.
    user
        Who runs it.
    """
    question = uuid.uuid4().int % 1000003
    ask = {**channels, "request": request("print(%d * 7)" % question), "seconds": _SECONDS}
    try:
        done = subprocess.run(
            ["runuser", "--user", user, "--", python, "-I", "-c", _PROGRAM],
            check=False,
            input=json.dumps(ask),
            capture_output=True,
            cwd="/",
            encoding="utf-8",
            errors="replace",
            timeout=2 * _SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "kernel %s: %s" % (kernel, error)
    if done.returncode == 0 and done.stdout.strip() == str(question * 7):
        return None
    words = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return "kernel %s: %s" % (kernel, words[-1] if words else "it printed nothing")


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
