# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Terms of service of conda channels, accepted for the whole system as conda-anaconda-tos records it.

A channel has terms when it serves ``terms.json``: ``version`` (a moment), ``text`` and ``support``. Acceptance is a
file ``/etc/conda/tos/<SHA-256 of the channel's place>/<moment>.json`` with the same keys and three more. Source:
github.com/anaconda/conda-anaconda-tos at 03beb3d6, ``models.py``, ``path.py``, ``local.py`` and ``remote.py``.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.urls import open_url

ENDPOINT = "terms.json"
#: How long a channel may stay silent at most; one that has not answered is asked again by each run.
PATIENCE_SECONDS = 10
SITE = "/etc/conda/tos"
#: Where else an administrator may have accepted for everyone; below the distribution's prefix there is one more.
SYSTEM = (SITE, "/var/lib/conda/tos")
_LARGEST_BYTES = 1 << 20
#: How servers answer that there is no such file; object stores refuse it.
_ABSENT = (403, 404, 410)
# What a channel's URL may hold that is nobody else's to read; conda takes such a token out of it, wherever it stands.
_CREDENTIALS = re.compile(r"(?<=://)[^/]*@|/t/[A-Za-z0-9-]*(?=/)")


@dataclass(frozen=True)
class Terms:
    """What a channel asks everyone to agree to."""

    #: The channel's URL, without what only its user may know.
    channel: str
    #: In UTC.
    version: datetime
    #: The whole of ``terms.json``.
    content: Mapping[str, Any]

    @property
    def url(self) -> str:
        """Where to read them."""
        return "%s/%s" % (self.channel, ENDPOINT)


@dataclass(frozen=True)
class Plan:
    """Terms that nobody has accepted for the whole system."""

    accept: tuple[Terms, ...] = ()
    #: Channels that have none, to be noted, so that they need not be asked again.
    without: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.accept or self.without)

    @property
    def lines(self) -> tuple[str, ...]:
        """What changes, one line each."""
        return (
            *("+ terms of service of %s, %s, accepted" % (one.channel, _day(one.version)) for one in self.accept),
            *("~ %s has no terms of service" % channel for channel in self.without),
        )


def unsettled(channels: Iterable[str], without: Container[str], roots: Sequence[str]) -> list[str]:
    """Return the channels to ask for their terms: neither accepted before, nor known to have none."""
    return [one for one in channels if public(one) not in without and accepted(one, roots) is None]


def fetch(channels: Iterable[str], timeout: float, ca_path: str | None) -> dict[str, Terms | None]:
    """Ask channels for their terms.

    One whose answer is no terms has none, as it has for conda itself. One that does not answer is left out.
    """
    found: dict[str, Terms | None] = {}
    seconds = patience.for_answer(min(timeout, PATIENCE_SECONDS))
    for channel in dict.fromkeys(channel.rstrip("/") for channel in channels):
        name = public(channel)
        try:
            with open_url("%s/%s" % (channel, ENDPOINT), timeout=seconds, ca_path=ca_path) as response:
                content = json.loads(_body(response, seconds))
            meant = isinstance(content["text"], str) and isinstance(content["support"], str)
            found[name] = Terms(name, moment(content["version"]), content) if meant else None
        except HTTPError as error:
            if error.code in _ABSENT:
                found[name] = None
        except (ValueError, TypeError, KeyError, RecursionError):
            found[name] = None
        except (OSError, HTTPException):
            continue
    return found


def _body(response: Any, seconds: float) -> bytes:
    """Return what a channel answers; one that drips does not, and what floods is no terms."""
    end, body = time.monotonic() + seconds, b""
    while more := response.read1(_LARGEST_BYTES):
        body += more
        if len(body) > _LARGEST_BYTES:
            raise ValueError("no terms")
        if time.monotonic() > end:
            raise TimeoutError("too slow")
    return body


def public(channel: str) -> str:
    """Return a channel's URL without what only its user may know."""
    return _CREDENTIALS.sub("", channel.rstrip("/"))


def accepted(channel: str, roots: Iterable[str]) -> datetime | None:
    """Return the version of the newest terms of ``channel`` that were answered below ``roots``, if with yes.

    Of two answers to the same terms the one of the earlier root counts.
    """
    newest: tuple[datetime, bool] | None = None
    for root in roots:
        for path in glob.glob(os.path.join(glob.escape(root), identity(channel), "*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                # What conda can't read for everybody it takes for no answer.
                record = json.loads((kept_files.text(path) or "") if kept_files.for_all(path) else "")
                answer = moment(record["version"]), record["tos_accepted"] is True
                newest = answer if newest is None or answer[0] > newest[0] else newest
    return newest[0] if newest and newest[1] else None


def plan(
    terms: Mapping[str, Terms | None],
    answers: Mapping[str, datetime | None],
    *,
    accept: bool,
) -> Plan:
    """Decide; pure.

    Parameters
    ----------
    terms
        By channel, what it asks; None where it has no terms.
    answers
        By channel, the version that was accepted.
    accept
        Whether the operator agrees.

    Raises
    ------
    EvenkeelError
        Some terms are not accepted yet, and the operator has not accepted them.
    """
    open_ones = []
    for one in filter(None, terms.values()):
        answer = answers.get(one.channel)
        if answer is None or answer < one.version:
            open_ones.append(one)
    if open_ones and not accept:
        raise EvenkeelError(
            "Terms of service are to be accepted before anyone uses %s"
            % " and ".join("%s (version of %s: %s)" % (one.channel, _day(one.version), one.url) for one in open_ones),
            "Read them, and set accept_tos: true (miniconda_accept_tos of the role) if you agree for everyone on the "
            "node; or choose other channels",
        )
    return Plan(tuple(open_ones), tuple(channel for channel, asked in terms.items() if asked is None))


def apply(plan: Plan, now: datetime) -> None:
    """Record the operator's acceptance for the whole system."""
    for one in plan.accept:
        path = os.path.join(SITE, identity(one.channel), "%s.json" % one.version.timestamp())
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            write_atomically(path, json.dumps(record(one, now)) + "\n")
        except OSError as error:
            raise from_os(error, path) from error


def record(terms: Terms, now: datetime) -> dict[str, Any]:
    """Return what the plugin reads."""
    return {
        **terms.content,
        "version": terms.version.isoformat(),
        "base_url": terms.channel,
        "tos_accepted": True,
        "acceptance_timestamp": now.isoformat(),
    }


def identity(channel: str) -> str:
    """Return the name of the directory that holds the answers to a channel's terms: host and path, hashed."""
    parts = urlsplit(public(channel))
    return hashlib.sha256((parts.netloc + parts.path.strip("/")).encode()).hexdigest()


def moment(version: object) -> datetime:
    """Return the moment that a version means: ISO 8601, or seconds since the epoch.

    Raises
    ------
    ValueError
        The version is neither.
    """
    with contextlib.suppress(OverflowError):
        if isinstance(version, str):
            moment = datetime.fromisoformat(version[:-1] + "+00:00" if version.endswith("Z") else version)
            return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
        if isinstance(version, (int, float)) and not isinstance(version, bool):
            return datetime.fromtimestamp(version, timezone.utc)
    raise ValueError("%r is not a moment" % (version,))


def _day(version: datetime) -> str:
    return version.date().isoformat()
