# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Host names: a user's own, and those that a certificate covers."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_LONGEST_LABEL, _DIGITS = 63, 16
_PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HASHED = re.compile(r".*-[0-9a-f]{%d}" % _DIGITS)
_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9-]*")


def to_connect(address: str) -> str:
    """Return the address that reaches a server on this machine, which may listen on all addresses."""
    return _LOOPBACK.get(address, address)


def label(user: str) -> str:
    """Return a user's name as one label of a DNS name; no two names give the same.

    A name that is a label already stays as it is. DNS knows no case and few characters, so any other name becomes its
    plain characters and a hash of all of it.

    >>> label("ana-maria"), label("Ana.Maria")
    ('ana-maria', 'ana-maria-885da1151ba7535b')
    """
    if len(user) <= _LONGEST_LABEL and _PLAIN.fullmatch(user) and not _HASHED.fullmatch(user):
        return user
    digest = hashlib.sha256(user.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
    plain = re.sub(r"[^a-z0-9]+", "-", user.lower())[: _LONGEST_LABEL - _DIGITS - 1].strip("-")
    return "%s-%s" % (plain or "user", digest)


def of_user(user: str, domains: Iterable[str]) -> list[str]:
    """Return the host names that are a user's alone, one below each domain.

    >>> of_user("ana", ["gpu1.example.com"])
    ['ana.gpu1.example.com']
    """
    return ["%s.%s" % (label(user), domain) for domain in domains]


def domains(hosts: Iterable[str]) -> list[str]:
    """Return those hosts that names of users can be put before.

    No client accepts a certificate for ``*.gpu1``, and an address has no names below it.

    >>> domains(["gpu1.example.com", "gpu1", "192.0.2.7", "fd00::1", "*.example.com"])
    ['gpu1.example.com']
    """
    return [host for host in hosts if _DOMAIN.fullmatch(host)]


def spelled(host: str) -> str:
    """Return a host as browsers send it.

    >>> spelled("GPU1.example.com"), spelled("fd00:0::1")
    ('gpu1.example.com', 'fd00::1')
    """
    return str(ipaddress.ip_address(host)) if is_address(host) else host.lower()


def is_address(text: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def covers(names: Iterable[str], host: str) -> bool:
    """Return whether a certificate for ``names`` is one for ``host``; a star matches one part of a name.

    >>> covers(["*.example.com"], "a.example.com"), covers(["*.example.com"], "a.b.example.com")
    (True, False)
    """
    known = {name.lower() for name in names}
    host = host.lower()
    return host in known or (not is_address(host) and "*.%s" % host.partition(".")[2] in known)
