# SPDX-License-Identifier: GPL-3.0-or-later
"""Run cells on a node's notebook server as a person's browser does: over SSH, through the server's own API.

``python -m lab.people.notebook GROUP`` runs one in every kernel of every node of a group.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shlex
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import websocket

from lab import process, wait
from lab.errors import LabError
from lab.nodes import nodes, ssh

PORT = 8888
FOLDER = "/etc/evenkeel/jupyter"
USER = "jupyter"
CELL = "import platform, sys; print(f'Python {platform.python_version()} in {sys.prefix}')"

_ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A user's notebook server on the node at ``address``: on a port of its loopback address, or on the user's socket.

    The token opens it; the socket opens for its user alone, who has the lab's key too.
    """

    address: str
    token: str
    port: int | None = PORT
    base_url: str = "/"
    user: str = USER
    socket_path: str = ""

    def kernels(self) -> dict[str, str]:
        """Return the display name of each kernel on offer."""
        specs: dict[str, Any] = self.ask("GET", "api/kernelspecs")["kernelspecs"]
        return {name: spec["spec"]["display_name"] for name, spec in sorted(specs.items())}

    def run(self, kernel: str, code: str) -> str:
        """Run ``code`` in a fresh kernel, and return what it printed.

        Raises
        ------
        LabError
            The kernel does not start, or the code raised an exception.
        """
        with self.kernel(kernel) as started:
            return started.run(code)

    @contextmanager
    def kernel(self, name: str) -> Iterator[Kernel]:
        """Have a fresh kernel until it is let go."""
        path = f"api/kernels/{self.ask('POST', 'api/kernels', json.dumps({'name': name}))['id']}"
        try:
            yield Kernel(self, name, path)
        finally:
            self.ask("DELETE", path)

    def log_in(self, secret: str) -> int:
        """Send the login page a password or a token, as a browser does, and return the HTTP status."""
        with self.connection() as connection:
            connection.request("GET", f"{self.base_url}login")
            page = connection.getresponse()
            page.read()
            cookie = SimpleCookie(page.headers["Set-Cookie"])["_xsrf"].value
            form = urlencode({"_xsrf": cookie, "password": secret})
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"_xsrf={cookie}"}
            connection.request("POST", f"{self.base_url}login", form, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """Connect to the server as SSH forwards people."""
        with self.channel() as channel:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = channel
            yield connection

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        """Ask the server's API, and return its answer.

        Raises
        ------
        LabError
            It refuses, or does not answer.
        """
        try:
            try:
                status, text = self._answer(method, path, body)
            except ConnectionError:  # it was just ending because nobody used it; the next connection starts it
                status, text = self._answer(method, path, body)
        except (http.client.HTTPException, OSError) as error:
            raise self.failure(f"no answer to {method} {path}: {error}") from error
        if status >= http.client.BAD_REQUEST:
            raise self.failure(f"{method} {path}: {status} {text}")
        return json.loads(text) if text else None

    def _answer(self, method: str, path: str, body: str | None) -> tuple[int, str]:
        with self.connection() as connection:
            connection.request(method, self.base_url + path, body, self.authorization)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    @contextmanager
    def channel(self) -> Iterator[socket.socket]:
        """Connect through SSH, which forwards its own input and output to the server's port."""
        if self.socket_path:
            with self._channel_to_socket() as channel:
                yield channel
            return
        near, far = socket.socketpair()
        near.settimeout(_ANSWER_SECONDS)
        argv = ssh.command(self.address, "-W", f"127.0.0.1:{self.port}")
        with subprocess.Popen(argv, stdin=far.fileno(), stdout=far.fileno(), stderr=subprocess.DEVNULL):
            far.close()
            with near:  # closed, it ends ssh
                yield near

    @contextmanager
    def _channel_to_socket(self) -> Iterator[socket.socket]:
        """Have SSH forward a socket of this machine's, as it forwards no input to one of the node's."""
        with TemporaryDirectory() as folder:
            near = f"{folder}/socket"
            argv = ssh.command(self.address, "-N", "-L", f"{near}:{self.socket_path}", user=self.user)
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as running:
                try:
                    wait.until(
                        Path(near).exists,
                        f"ssh forwards {self.socket_path}",
                        "is the node up?",
                        seconds=_ANSWER_SECONDS,
                    )
                    with socket.socket(socket.AF_UNIX) as channel:
                        channel.settimeout(_ANSWER_SECONDS)
                        channel.connect(near)
                        yield channel
                finally:
                    running.terminate()

    @property
    def authorization(self) -> dict[str, str]:
        """The header that opens the server."""
        return {"Authorization": f"token {self.token}"}

    def failure(self, what: str) -> LabError:
        """Return an error that says where to look."""
        return LabError(
            f"notebook server at {self.address}: {what}",
            f"ssh {self.address} sudo journalctl --unit jupyter@{self.user}.service",
        )


@dataclass(frozen=True)
class Kernel:
    """A kernel that runs on a server."""

    server: Server
    name: str
    path: str

    def run(self, code: str) -> str:
        """Run ``code``, and return what it printed.

        Raises
        ------
        LabError
            The code raised an exception, or the kernel died.
        """
        url = f"ws://localhost{self.server.base_url}{self.path}/channels"
        try:
            with self.server.channel() as channel:
                channels = websocket.create_connection(url, socket=channel, header=self.server.authorization)
                request = execute_request(code)
                channels.send(json.dumps(request))
                return output_of(request, _messages(channels))
        except (websocket.WebSocketException, OSError) as error:
            raise self.server.failure(f"kernel {self.name} gave no answer: {error}") from error


def at(address: str, user: str = USER) -> Server:
    """Return a user's notebook server on the node at ``address``, as the node itself describes it."""
    remedy = "bring the node to its declared state: site.yml"
    listed = process.run(ssh.command(address, remote=("sudo", "cat", f"{FOLDER}/servers.json")), remedy=remedy)
    found = next((one for one in json.loads(listed)["servers"] if one["user"] == user), None)
    if found is None:
        raise LabError(f"{user} has no notebook server at {address}", remedy)
    token = process.run(ssh.command(address, remote=("sudo", "cat", shlex.quote(found["token_file"]))), remedy=remedy)
    return Server(address, token, found["port"], found["base_url"], user, found["socket"] or "")


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
    parser = argparse.ArgumentParser(prog="python -m lab.people.notebook", description="Run a cell in every kernel.")
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
