# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a notebook server is up, guarded and offers its kernels, asked from outside."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

_ANSWER_TIMEOUT = 10
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True)
class Observation:
    """The server's answers: HTTP statuses of ``api/status``, None when there was no answer, and its kernels."""

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


def judge(seen: Observation, kernels: Collection[str]) -> Verdict:
    """Say what an observation means for a server that shall offer ``kernels``."""
    if seen.with_token is None or seen.with_token >= 500:
        answer = "does not answer" if seen.with_token is None else "answers %d" % seen.with_token
        return Verdict("The notebook server %s" % answer, "Its journal says why", final=False)
    if seen.with_token in (401, 403):
        return Verdict(
            "The notebook server refuses the token of its own token file", "Restart it, so that it reads the file again"
        )
    if seen.with_token != 200:
        return Verdict("What answers (%d) is not a notebook server" % seen.with_token, "Look at what listens there")
    if seen.without_token not in (401, 403):
        return Verdict(
            "The notebook server lets people in without a token (%s)" % seen.without_token,
            "Stop it, and look for the setting that turns authentication off",
        )
    missing = sorted(set(kernels) - (seen.kernels or frozenset()))
    if missing:
        return Verdict(
            "The notebook server does not offer these kernels: %s" % ", ".join(missing),
            "Compare with the kernelspecs on the node: the server may not search their directory",
        )
    return Verdict()


def observe(url: str, token: str) -> Observation:
    """Ask the server at ``url`` (with a slash at its end) for all that ``judge`` looks at."""
    authorization = {"Authorization": "token %s" % token}
    with_token, _body = _get(url + "api/status", authorization)
    if with_token != 200:
        return Observation(with_token)
    without_token, _body = _get(url + "api/status", {})
    _status, body = _get(url + "api/kernelspecs", authorization)
    return Observation(with_token, without_token, _kernel_names(body))


def _get(url: str, headers: dict[str, str]) -> tuple[int | None, bytes]:
    """Ask once, past any proxy; the status is None when there is no HTTP answer."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_ANSWER_TIMEOUT)
    try:
        connection.request("GET", place.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


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
