# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a notebook server is up, guarded, and runs code, asked from outside."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._kernel_run import run as run_in_kernel

_ANSWER_TIMEOUT = 30
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# OpenSSL's X509_V_FLAG_PARTIAL_CHAIN, which Python 3.9 has no name for: the server's own certificate is trust enough.
_PARTIAL_CHAIN = 0x80000

PROBES = ("asleep", "waiting", "light", "full")


@dataclass(frozen=True)
class Place:
    """Where a server is reached; on a socket where there is no port. ``certificate`` is a file, for TLS."""

    address: str
    port: int | None
    socket_path: str | None
    base_url: str
    certificate: str | None = None

    def connect(self) -> socket.socket:
        """Return a connection to the server."""
        if self.socket_path:
            channel = socket.socket(socket.AF_UNIX)
            channel.settimeout(_ANSWER_TIMEOUT)
            channel.connect(self.socket_path)
        else:
            channel = socket.create_connection((self.address, self.port or 0), _ANSWER_TIMEOUT)
        if not self.certificate:
            return channel
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        context.verify_flags |= _PARTIAL_CHAIN
        return context.wrap_socket(channel)


@dataclass(frozen=True)
class Observation:
    """The server's answers.

    Parameters
    ----------
    with_token, without_token
        HTTP statuses of ``api/status``; None when there was no answer or it was not asked.
    kernels
        The kernels that it offers.
    """

    with_token: int | None = None
    without_token: int | None = None
    kernels: frozenset[str] | None = None


@dataclass(frozen=True)
class Verdict:
    """What the answers mean: ready, or a problem that time may or may not mend."""

    problem: str = ""
    mend: str = ""
    final: bool = True

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


def judge(seen: Observation, kernels: Collection[str], *, waiting: bool = False) -> Verdict:
    """Say what an observation means for a server that shall offer ``kernels``.

    Parameters
    ----------
    waiting
        Whether it runs with older files, so that neither its token nor its kernels need be those of now.
    """
    asked = seen.without_token if waiting else seen.with_token
    if asked is None or asked >= 500:
        answer = "does not answer" if asked is None else "answers %d" % asked
        return Verdict(answer, "Its journal says why", final=False)
    if not waiting and asked in (401, 403):
        return Verdict("refuses the token of its own token file", "Restart it, so that it reads the file again")
    if not waiting and asked != 200:
        return Verdict("is none: what answers there says %d" % asked, "Look at what listens there")
    if seen.without_token not in (401, 403):
        return Verdict(
            "lets people in without a token (%s)" % seen.without_token,
            "Stop it, and look for the setting that turns authentication off",
        )
    missing = [] if waiting else sorted(set(kernels) - (seen.kernels or frozenset()))
    if missing:
        return Verdict(
            "does not offer these kernels: %s" % ", ".join(missing),
            "Compare with the kernelspecs on the node: the server may not search their directory",
        )
    return Verdict()


def judge_kernel(failed: str | None) -> Verdict:
    """Say what it means that a kernel failed with these words, or did not."""
    return Verdict() if failed is None else Verdict("runs no code: %s" % failed, "Run the environment's Python by hand")


def observe(place: Place, token: str, *, waiting: bool) -> Observation:
    """Ask a server for all that ``judge`` looks at, code in a kernel aside."""
    authorization = {} if waiting else {"Authorization": "token %s" % token}
    if waiting:
        return Observation(without_token=ask(place, "GET", "api/status", {})[0])
    with_token, _body = ask(place, "GET", "api/status", authorization)
    if with_token != 200:
        return Observation(with_token)
    without_token, _body = ask(place, "GET", "api/status", {})
    _status, body = ask(place, "GET", "api/kernelspecs", authorization)
    return Observation(with_token, without_token, _kernel_names(body))


def ask(
    place: Place, method: str, path: str, headers: Mapping[str, str], body: str | None = None
) -> tuple[int | None, bytes]:
    """Ask once, past any proxy; the status is None when there is no HTTP answer."""
    connection = http.client.HTTPConnection("localhost")
    try:
        connection.sock = place.connect()
        connection.request(method, place.base_url + path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


def failure_of_kernel(place: Place, token: str, kernel: str, python: str, user: str) -> str | None:
    """Have a kernel compute, as ``user`` would, and return what went wrong, or None.

    Parameters
    ----------
    python
        The Python of the server's environment, which can speak to kernels.
    """
    authorization = {"Authorization": "token %s" % token}
    status, body = ask(place, "POST", "api/kernels", authorization, json.dumps({"name": kernel}))
    if status != 201:
        return "kernel %s does not start (%s)" % (kernel, status)
    identifier = json.loads(body)["id"]
    try:
        return run_in_kernel(
            {
                "address": place.address,
                "port": place.port,
                "socket": place.socket_path,
                "certificate": place.certificate,
                "path": "%sapi/kernels/%s/channels" % (place.base_url, identifier),
                "token": token,
            },
            kernel,
            python,
            user,
        )
    finally:
        ask(place, "DELETE", "api/kernels/%s" % identifier, authorization)


def _kernel_names(body: bytes) -> frozenset[str]:
    try:
        return frozenset(json.loads(body)["kernelspecs"])
    except (ValueError, KeyError, TypeError):
        return frozenset()


def wait(
    look: Callable[[], Verdict],
    timeout: float,
    *,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Look until the verdict is final or the time is up, less and less often."""
    end = now() + timeout
    seconds = _FIRST_PAUSE
    verdict = look()
    while not verdict.ready and not verdict.final and now() < end:
        pause(min(seconds, max(0.0, end - now())))
        seconds = min(2 * seconds, _LONGEST_PAUSE)
        verdict = look()
    return verdict


def read_token(path: str) -> str:
    """Return the token as the server reads it.

    Raises
    ------
    EvenkeelError
        The file can't be read.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read()
    except OSError as error:
        raise EvenkeelError("The token can't be read: %s" % error, "Run the role jupyter, which makes it") from error


def place_of(server: Mapping[str, Any]) -> Place:
    """Return where a server of ``servers.json`` is reached."""
    own = os.path.dirname(server["token_file"])
    certificate = os.path.join(own, "certificate.pem") if server["scheme"] == "https" else None
    return Place(server["address"], server["port"], server["socket"], server["base_url"], certificate)
