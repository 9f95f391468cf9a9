# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether mirrors of conda's channels are healthy, judged by the first bytes of the indexes that are asked of them."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import Late, within

START_BYTES = 1024
WORKERS = 16
#: To one mirror at once.
CONNECTIONS = 5


@dataclass(frozen=True)
class Answer:
    """How a mirror answered for one index."""

    #: Why it is of no use; empty where it is.
    problem: str = ""
    #: When the index was made, if the mirror reports it.
    modified: datetime | None = None
    #: Whether no server answered.
    silent: bool = False


@dataclass(frozen=True)
class Health:
    """What is known of a mirror."""

    name: str
    problems: tuple[str, ...] = ()
    #: The newest index among those that were asked for.
    newest: datetime | None = None

    def as_result(self) -> dict[str, Any]:
        """Return it in a module's terms."""
        return {
            "name": self.name,
            "healthy": not self.problems,
            "problems": list(self.problems),
            "newest": self.newest.isoformat() if self.newest else "",
        }


@dataclass(frozen=True)
class Network:
    """How to reach mirrors."""

    timeout: float
    ca_path: str | None = None
    opener: urllib.request.OpenerDirector = field(init=False, compare=False)

    def __post_init__(self) -> None:
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
        except (OSError, ssl.SSLError) as error:
            raise EvenkeelError(
                "The certificates in %s cannot be used: %s" % (self.ca_path, error),
                "Name a file of certificates in PEM that the node has",
            ) from None
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        object.__setattr__(self, "opener", opener)

    def ask(self, url: str) -> Answer:
        """Ask for an index, of which some hundred bytes are read and not some hundred megabytes."""
        try:
            return within(2 * self.timeout, lambda: self._answer(url))
        except urllib.error.HTTPError as error:
            return Answer("answered %d %s" % (error.code, error.reason))
        except Late:
            return Answer("took longer than %g s for its first answer" % (2 * self.timeout), silent=True)
        except socket.timeout:
            return Answer("sent nothing for %g s" % self.timeout, silent=True)
        except urllib.error.URLError as error:
            if isinstance(error.reason, socket.timeout):
                return Answer("sent nothing for %g s" % self.timeout, silent=True)
            return Answer("could not be reached: %s" % error.reason, silent=True)
        except (OSError, HTTPException, ValueError) as error:
            return Answer("could not be reached: %s" % (error or type(error).__name__), silent=True)

    def _answer(self, url: str) -> Answer:
        with self.opener.open(request_for(url), timeout=self.timeout) as response:
            return judge(response.read1(START_BYTES), response.headers.get("Last-Modified"))


def request_for(url: str) -> urllib.request.Request:
    """Return the request for a URL, with credentials as a header."""
    parts = urlsplit(url)
    user, _unused, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310
    if user:
        request.add_header("Authorization", "Basic %s" % base64.b64encode(unquote(user).encode()).decode())
    return request


def judge(start: bytes, modified: str | None) -> Answer:
    """Distinguish an index by its first bytes from a sign-in page, and return when it was made."""
    if not start.lstrip().startswith(b"{"):
        return Answer("answered with something else than an index, which begins with %r" % start[:20].decode("latin-1"))
    try:
        date = parsedate_to_datetime(modified) if modified else None
    except (TypeError, ValueError):
        date = None
    return Answer(modified=date if date is None or date.tzinfo else date.replace(tzinfo=timezone.utc))


def health(candidate: Mapping[str, Any], answers: Mapping[str, Answer], now: datetime, max_age_days: int) -> Health:
    """Return what the answers say about a mirror.

    A channel, and its copy on a mirror, may go years without updates. So the age of the mirror's newest index counts.
    """
    if candidate.get("problem"):
        return Health(candidate["name"], (candidate["problem"],))
    problems = told_once({url: answers[url].problem for url in candidate["repodata"] if answers[url].problem})
    dates = [date for date in (answers[url].modified for url in candidate["repodata"]) if date]
    newest = max(dates) if dates else None
    if newest and max_age_days and now - newest > timedelta(days=max_age_days):
        problems.append("its newest index is of %s, %d days ago" % (newest.date(), (now - newest).days))
    return Health(candidate["name"], tuple(problems), newest)


def told_once(problems: Mapping[str, str]) -> list[str]:
    """Return the problems of several URLs, each with the first URL that has it and the number of the others."""
    urls: dict[str, list[str]] = {}
    for url, problem in problems.items():
        urls.setdefault(problem, []).append(url)
    return [
        "%s%s %s" % (those[0], " and %d more" % (len(those) - 1) if those[1:] else "", problem)
        for problem, those in urls.items()
    ]


def first_healthy(found: Sequence[Health]) -> int:
    """Return the number of the first mirror that is healthy.

    Raises
    ------
    EvenkeelError
        None is.
    """
    for number, one in enumerate(found):
        if not one.problems:
            return number
    raise EvenkeelError(
        "None of the mirrors is healthy: %s"
        % "; ".join("%s: %s" % (one.name, ", ".join(one.problems)) for one in found),
        "Check that the node reaches them, or add another to mirrors (evenkeel_mirror of the roles)",
        report=[one.as_result() for one in found],
    )


def ask_all(urls: Iterable[str], network: Network) -> dict[str, Answer]:
    """Ask for all of these, several at once."""
    distinct = list(dict.fromkeys(urls))
    free = {urlsplit(url).netloc: threading.Semaphore(CONNECTIONS) for url in distinct}

    def ask(url: str) -> Answer:
        with free[urlsplit(url).netloc]:
            return network.ask(url)

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return dict(zip(distinct, pool.map(ask, distinct)))
