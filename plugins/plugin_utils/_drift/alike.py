# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which hosts of a drift report are alike, and in what the others differ from most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Of each host, what its row of the matrix shows.
_OF_A_HOST = ("state", "message", "reboot", "restarts")
_OF_A_LAYER = ("state", "changes", "problems", "unknown", "notes")

_HEX = frozenset("0123456789abcdef")
#: Longer hexadecimal numbers are hashes, of which the beginning is shown.
_HASH, _SHOWN = 16, 8


@dataclass(frozen=True)
class Group:
    """Hosts with the same digest.

    Attributes
    ----------
    digest
        None for the hosts that could not be asked.
    hosts
        All its hosts, in the report's order.
    bundles
        The same hosts, parted by what the matrix shows of them.
    like
        The digest of the group of which they have the most; None for the largest group, and for hosts without a digest.
    differs
        In what they differ from that one, a line for each layer.
    """

    digest: str | None
    hosts: tuple[str, ...]
    bundles: tuple[tuple[str, ...], ...]
    like: str | None
    differs: tuple[str, ...]


def groups(report: Mapping[str, Any]) -> list[Group]:
    """Return the hosts of a report by digest, the largest group first, and at the end the hosts that have none."""
    hosts = report["hosts"]
    by_digest = _parted(hosts, lambda name: hosts[name]["digest"])
    ordered = sorted(by_digest, key=lambda digest: (digest is None, -len(by_digest[digest])))
    found: list[Group] = []
    common: list[str] = []
    for digest in ordered:
        names = by_digest[digest]
        first = hosts[names[0]]
        bundles = _parted(names, lambda name: _row(hosts[name])).values()
        compared = {other: tuple(differences(report["layers"], first, hosts[by_digest[other][0]])) for other in common}
        like = min(compared, key=lambda other: len(compared[other]), default=None) if digest else None
        found.append(Group(digest, tuple(names), tuple(map(tuple, bundles)), like, compared[like] if like else ()))
        if len(names) > 1 or not common:
            common.append(digest)
    return found


def differences(
    layers: Iterable[Mapping[str, str]], host: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a line for each layer in which a host differs from another one, such as ``Driver: 570 instead of 580``."""
    for layer in layers:
        here, there = host["layers"].get(layer["id"]), other["layers"].get(layer["id"])
        if here and not there:
            yield f"{layer['title']}: declared here only"
        elif there and not here:
            yield f"{layer['title']}: not declared"
        elif here and there and here["digest"] != there["digest"]:
            yield f"{layer['title']}: {_difference(here, there)}"


def _difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    found, other = here["found"], there["found"]
    for key in (key for key in found if key in other and found[key] != other[key]):
        return f"{short(found[key])} instead of {short(other[key])}"
    if here["state"] == there["state"] == "equal":
        return "equal"
    reasons = [reason for change in here["changes"] for reason in change["why"] or [f"{change['what']} would change"]]
    return "; ".join(reasons) or here["state"]


def short(value: str | Sequence[str]) -> str:
    """Return what was found as one line, with the beginning of a hash in its place."""
    if not isinstance(value, str):
        return ", ".join(map(short, value))
    return value[:_SHOWN] if len(value) >= _HASH and _HEX.issuperset(value) else value


def _row(host: Mapping[str, Any]) -> str:
    layers = {name: [layer[key] for key in _OF_A_LAYER] for name, layer in host["layers"].items()}
    return repr([*(host[key] for key in _OF_A_HOST), layers])


def _parted(names: Iterable[str], key: Callable[[str], Any]) -> dict[Any, list[str]]:
    found: dict[Any, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found
