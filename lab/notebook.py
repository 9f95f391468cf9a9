# SPDX-License-Identifier: GPL-3.0-or-later
"""Run cells on a node's notebook server as a person's browser does: over SSH, through the server's own API.

``python -m lab.notebook GROUP`` runs one in every kernel of every node of a group.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import websocket

from lab import nodes, process, ssh
from lab.errors import LabError

PORT = 8888
FOLDER = "/etc/evenkeel/jupyter"
USER = "jupyter"
CELL = "import platform, sys; print(f'Python {platform.python_version()} in {sys.prefix}')"

_ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A notebook server on the loopback address of the node at ``address``; the token opens it."""

    address: str
    token: str
    port: int = PORT
    base_url: str = "/"
    user: str = USER

    def kernels(self) -> dict[str, str]:
        """Return the display name of each kernel on offer."""
        specs: dict[str, Any] = self._ask("GET", "api/kernelspecs")["kernelspecs"]
        return {name: spec["spec"]["display_name"] for name, spec in sorted(specs.items())}

    def run(self, kernel: str, code: str) -> str:
        """Run ``code`` in a fresh kernel, and return what it printed.

        Raises
        ------
        LabError
            The kernel does not start, or the code raised an exception.
        """
        started = self._ask("POST", "api/kernels", json.dumps({"name": kernel}))
        path = f"api/kernels/{started['id']}"
        try:
            with self._connection() as channel:
                channels = websocket.create_connection(
                    f"ws://127.0.0.1:{self.port}{self.base_url}{path}/channels",
                    socket=channel,
                    header=self._authorization(),
                )
                request = execute_request(code)
                channels.send(json.dumps(request))
                return output_of(request, _messages(channels))
        except (websocket.WebSocketException, OSError) as error:
            raise self._failure(f"kernel {kernel} gave no answer: {error}") from error
        finally:
            self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        with self._connection() as channel:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.sock = channel
            try:
                connection.request(method, self.base_url + path, body, self._authorization())
                answer = connection.getresponse()
                text = answer.read().decode()
            except (http.client.HTTPException, OSError) as error:
                raise self._failure(f"no answer to {method} {path}: {error}") from error
        if answer.status >= http.client.BAD_REQUEST:
            raise self._failure(f"{method} {path}: {answer.status} {text}")
        return json.loads(text) if text else None

    @contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        """Connect to the server through SSH, which forwards its own input and output to the server's port."""
        near, far = socket.socketpair()
        near.settimeout(_ANSWER_SECONDS)
        argv = ssh.command(self.address, "-W", f"127.0.0.1:{self.port}")
        with subprocess.Popen(argv, stdin=far.fileno(), stdout=far.fileno(), stderr=subprocess.DEVNULL):
            far.close()
            with near:  # closed, it ends ssh
                yield near

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    def _failure(self, what: str) -> LabError:
        return LabError(
            f"notebook server at {self.address}: {what}",
            f"ssh {self.address} sudo journalctl --unit jupyter@{self.user}.service",
        )


def at(address: str, user: str = USER) -> Server:
    """Return a user's notebook server on the node at ``address``, as the node itself describes it."""
    mend = "bring the node to its declared state: site.yml"
    listed = process.run(ssh.command(address, remote=("sudo", "cat", f"{FOLDER}/servers.json")), mend=mend)
    found = next((one for one in json.loads(listed)["servers"] if one["user"] == user), None)
    if found is None:
        raise LabError(f"{user} has no notebook server at {address}", mend)
    token = process.run(ssh.command(address, remote=("sudo", "cat", found["token_file"])), mend=mend)
    return Server(address, token, found["port"], found["base_url"], user)


def execute_request(code: str) -> dict[str, Any]:
    """Return the message of Jupyter's protocol that runs ``code``."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid.uuid4().hex,
        "username": "",
        "version": "5.4",
    }
    content = {"allow_stdin": False, "code": code, "silent": False, "stop_on_error": True, "store_history": False}
    return {
        "buffers": [],
        "channel": "shell",
        "content": content | {"user_expressions": {}},
        "header": header,
        "metadata": {},
        "parent_header": {},
    }


def output_of(request: Mapping[str, Any], messages: Iterator[Mapping[str, Any]]) -> str:
    """Return what the request's code printed, once the kernel is idle again.

    Raises
    ------
    LabError
        The code raised an exception, or the kernel died.
    """
    printed = ""
    for message in messages:
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] in {"dead", "restarting"}:
            break
        if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            continue
        if kind == "stream" and content["name"] == "stdout":
            printed += content["text"]
        elif kind == "error":
            raised = f"{content['ename']}: {content['evalue']}"
            raise LabError(raised, f"look at the code: {request['content']['code']}")
        elif kind == "status" and content["execution_state"] == "idle":
            return printed
    raise LabError("the kernel died", "read the journal of the notebook server on the node")


def _messages(channels: websocket.WebSocket) -> Iterator[Mapping[str, Any]]:
    while text := channels.recv():
        yield json.loads(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a cell in every kernel of a group's nodes, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.notebook", description="Run a cell in every kernel.")
    parser.add_argument("group", help="name of a group of the lab's nodes")
    parser.add_argument("code", nargs="?", default=CELL, help="what to run (default: print Python's version)")
    arguments = parser.parse_args(argv)
    try:
        for node in nodes.find(arguments.group):
            server = at(node.address)
            for name, display_name in server.kernels().items():
                print(f"{node.name}, {display_name}: {server.run(name, arguments.code).strip()}")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
