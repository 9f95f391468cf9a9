# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a notebook server is up, requires a token, and runs code; asked over HTTP, with its user's rights only.

A server is its user's own process: what answers may be another program, and may flood, drip or lie.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activation_check
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.kernel_run import run as run_in_kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.bounded_connection import Place, TooMuch
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: How long a kernel may take to compute something.
KERNEL_SECONDS = 60.0
#: How many bytes a whole answer may have.
ANSWER_BYTES = 1 << 20

_ANSWER_SECONDS = 30.0
_FAREWELL_SECONDS = 5.0
_TOKEN_BYTES = 4096
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_TOKEN = re.compile(r"[\x21-\x7e]+")
_IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,100}")
_ROLE = "Run the role jupyter, which makes a new one"
_JOURNAL, _LOOK = "See its journal", "Find out what listens there"


@dataclass(frozen=True)
class Observation:
    """The server's answers.

    Parameters
    ----------
    with_token, without_token
        HTTP statuses of ``api/status``; None when there was no answer or it was not asked.
    kernels
        The kernels that it offers.
    floods
        Whether an answer was larger than any that a notebook server gives.
    """

    with_token: int | None = None
    without_token: int | None = None
    kernels: frozenset[str] | None = None
    floods: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the answers mean: ready, or a problem; a ``final`` one does not go away by waiting.

    Parameters
    ----------
    differing
        Variables of its first kernel that are not as ``conda run`` gives them; they are no problem.
    """

    problem: str = ""
    remedy: str = ""
    final: bool = True
    differing: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


def judge(seen: Observation, kernels: Collection[str], *, waiting: bool = False) -> Verdict:
    """Judge an observation of a server that must offer ``kernels``.

    Parameters
    ----------
    waiting
        Whether it runs with older files, so that its token and its kernels may be older ones.
    """
    if seen.floods:
        return Verdict("is another program: it sends more than %d bytes" % ANSWER_BYTES, _LOOK)
    asked = seen.without_token if waiting else seen.with_token
    if asked is None or asked >= 500:
        answer = "does not answer" if asked is None else "answers %d" % asked
        return Verdict(answer, _JOURNAL, final=False)
    if not waiting and asked in (401, 403):
        return Verdict("refuses the token of its own token file", "Restart it, so that it reads the file again")
    if not waiting and asked != 200:
        return Verdict("is another program: it answers %d" % asked, _LOOK)
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
    """Judge a kernel by why it failed; None when it did not."""
    return Verdict() if failed is None else Verdict("runs no code: %s" % failed, "Run the environment's Python by hand")


def examine(server: Mapping[str, Any], kernels: Collection[str], timeout: float) -> dict[str, Any]:
    """Examine a server with its user's rights; return its problem, if it has one, and a remedy; and what differs.

    Parameters
    ----------
    server
        An entry of ``servers.json`` with its ``probe``.
    kernels
        What it must offer; the first one has to compute something where the probe is ``full``.
    timeout
        How many seconds to wait for an answer; 0 asks once.
    """
    waiting = server["probe"] == "waiting"
    try:
        token = read_token(server["token_file"])
    except EvenkeelError as error:
        return {"problem": error.what, "remedy": error.remedy, "kernel": False, "differing": []}
    place, end = place_of(server), time.monotonic() + max(timeout, _ANSWER_SECONDS)

    def look() -> Verdict:
        return judge(observe(place, token, waiting=waiting, end=end), kernels, waiting=waiting)

    verdict = wait(look, timeout)
    differing: list[str] = []
    asked = verdict.ready and server["probe"] == "full" and bool(kernels) and timeout > 0
    if asked:
        kernel = next(iter(kernels))
        until = time.monotonic() + KERNEL_SECONDS
        failed, differing = try_kernel(place, token, kernel, until)
        if failed:
            # Where many servers start at once, a connection to a kernel may be lost; a broken environment fails twice.
            failed, differing = try_kernel(place, token, kernel, until)
        verdict = judge_kernel(failed)
    hidden = verdict.problem.replace(token, "********") if token else verdict.problem
    return {"problem": hidden, "remedy": verdict.remedy, "kernel": asked, "differing": differing}


def most_seconds(timeout: float) -> float:
    """Return how long ``examine`` may take."""
    return max(timeout, _ANSWER_SECONDS) + KERNEL_SECONDS + activation_check.SECONDS + 3 * _FAREWELL_SECONDS


def understood(answer: Any) -> tuple[Verdict, bool]:
    """Return the verdict of ``examine`` and whether a kernel was asked; a process of the user's has passed it on."""
    if isinstance(answer, EvenkeelError):
        return Verdict("could not be examined: %s" % answer.what, answer.remedy), False
    if not isinstance(answer, dict) or not all(isinstance(answer.get(key), str) for key in ("problem", "remedy")):
        return Verdict("could not be examined", _LOOK), False
    differing = tuple(activation_check.names(answer.get("differing")))
    verdict = Verdict(answer["problem"][:2000], answer["remedy"][:500], differing=differing)
    return verdict, answer.get("kernel") is True


def observe(place: Place, token: str, *, waiting: bool, end: float) -> Observation:
    """Ask a server for what ``judge`` needs, until ``time.monotonic`` is ``end``."""
    authorization = {} if waiting else {"Authorization": "token %s" % token}
    try:
        if waiting:
            return Observation(without_token=ask(place, "GET", "api/status", {}, end=end)[0])
        with_token, _body = ask(place, "GET", "api/status", authorization, end=end)
        if with_token != 200:
            return Observation(with_token)
        without_token, _body = ask(place, "GET", "api/status", {}, end=end)
        _status, body = ask(place, "GET", "api/kernelspecs", authorization, end=end)
    except TooMuch:
        return Observation(floods=True)
    return Observation(with_token, without_token, _kernel_names(body))


def ask(
    place: Place, method: str, path: str, headers: Mapping[str, str], body: str | None = None, *, end: float
) -> tuple[int | None, bytes]:
    """Ask once, without a proxy and without following redirects; the status is None without an HTTP answer in time.

    Raises
    ------
    TooMuch
        The answer is larger than any that a notebook server gives.
    """
    connection = http.client.HTTPConnection("localhost")
    try:
        connection.sock = place.connect(min(end, time.monotonic() + _ANSWER_SECONDS), ANSWER_BYTES)
        connection.request(method, place.base_url + path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except TooMuch:
        raise
    # ValueError: a part of the answer should be a number.
    except (OSError, http.client.HTTPException, ValueError):
        return None, b""
    finally:
        connection.close()


def try_kernel(place: Place, token: str, kernel: str, end: float) -> tuple[str | None, list[str]]:
    """Have a kernel compute, as its user would, until ``end``, and then compare its variables with ``conda run``'s.

    Return what went wrong, or None, and the variables that differ.
    """
    differing: list[str] = []
    authorization = {"Authorization": "token %s" % token}
    try:
        status, body = ask(place, "POST", "api/kernels", authorization, json.dumps({"name": kernel}), end=end)
        identifier = _identifier(body)
        if status != 201 or identifier is None:
            return "kernel %s does not start (%s)" % (kernel, status), []
        path = "api/kernels/%s" % identifier
        channels = "%s%s/channels" % (place.base_url, path)
        try:
            failed = run_in_kernel(place, channels, token, end)
            if failed is None:
                until = time.monotonic() + activation_check.SECONDS
                _status, spec = ask(place, "GET", "api/kernelspecs/%s" % quote(kernel), authorization, end=until)
                differing = activation_check.differing(
                    place, channels, token, activation_check.own_variables(spec), until
                )
        finally:
            ask(place, "DELETE", path, authorization, end=time.monotonic() + _FAREWELL_SECONDS)
    except TooMuch:
        return "kernel %s: the server sends more than %d bytes" % (kernel, ANSWER_BYTES), []
    return failed and "kernel %s: %s" % (kernel, failed), differing


def _identifier(body: bytes) -> str | None:
    """Return the kernel's id if it can be part of a path."""
    try:
        found = json.loads(body)["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) and _IDENTIFIER.fullmatch(found) else None


def _kernel_names(body: bytes) -> frozenset[str]:
    try:
        return frozenset(map(str, json.loads(body)["kernelspecs"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()


def wait(
    look: Callable[[], Verdict],
    timeout: float,
    *,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Look until the verdict is final or the time is over, with growing pauses."""
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
        The file, which is the user's, can't be read or holds something else.
    """
    try:
        content = user_files.read(path, os.geteuid(), _TOKEN_BYTES)
    except user_files.Refused as error:
        raise EvenkeelError("has a token file that can't be read: %s" % error.what, _ROLE) from error
    if content is None:
        raise EvenkeelError("has no token file %s" % path, _ROLE)
    if not _TOKEN.fullmatch(content.text):
        raise EvenkeelError("has a token file %s that holds no token" % path, _ROLE)
    return content.text


def place_of(server: Mapping[str, Any]) -> Place:
    """Return where a server of ``servers.json`` is reached."""
    own = os.path.dirname(server["token_file"])
    certificate = os.path.join(own, "certificate.pem") if server["scheme"] == "https" else None
    return Place(server["address"], server["port"], server["socket"], server["base_url"], certificate)
