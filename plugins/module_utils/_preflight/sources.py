# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether mirrors and repositories answer from this node, and whether they have what is declared for its release."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import mirror_health
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.urls import open_url
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import Late, within

#: The suboptions of the module's option ``sources``.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["conda", "pip", "apt", "rpm"], "required": True},
    "urls": {"type": "list", "elements": "str", "required": True},
    "packages": {"type": "list", "elements": "dict", "default": []},
}
#: No list of packages of a repository is larger, unpacked.
_MOST_BYTES = 256 << 20
_BEGINNING = 1 << 10
_LISTS = ("Packages.gz", "Packages.xz", "Packages")
_NEWEST = 6

Versions = dict[str, list[str]]
#: How a web page begins.
_PAGE = (b"<!doctype html", b"<html")


class _Refused(Exception):
    """A server answered that it does not have a file."""


def ask_all(sources: Sequence[Mapping[str, Any]], timeout: float) -> list[dict[str, Any]]:
    """Return for each source its ``name``, ``urls`` and ``problem``, which is empty where it has what is wanted.

    Parameters
    ----------
    sources
        As the module documents them.
    timeout
        How many seconds each may take; all are asked at once.
    """

    def ask(source: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": source["name"], "urls": source["urls"], "problem": _problem(source, timeout)}

    with ThreadPoolExecutor(max_workers=max(len(sources), 1)) as pool:
        return list(pool.map(ask, sources))


def _problem(source: Mapping[str, Any], timeout: float) -> str:
    kind, urls = source["kind"], source["urls"]
    try:
        if kind == "conda":
            answers = mirror_health.ask_all(urls, mirror_health.Network(timeout / 2))
            return "; ".join(mirror_health.told_once({url: one.problem for url, one in answers.items() if one.problem}))
        if kind == "pip":
            within(timeout, lambda: _fetched(urls[0], timeout, _BEGINNING))
            return ""
        read = _debian_versions if kind == "apt" else _rpm_versions
        return "; ".join(missing(within(timeout, lambda: read(urls[0], timeout)), source["packages"], urls[0]))
    except _Refused as refused:
        return str(refused)
    except Late as late:
        return "%s %s" % (urls[0], late)
    except EvenkeelError as error:
        return error.what
    except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
        return "%s could not be read: %s" % (urls[0], getattr(error, "reason", None) or error or type(error).__name__)


def missing(offered: Versions | None, wanted: Iterable[Mapping[str, Any]], url: str) -> list[str]:
    """Return what a repository lacks, by one of the packages that have the declared version.

    Parameters
    ----------
    offered
        Its versions by package; None where they can't be read here.
    wanted
        Each with ``name`` and ``version``, of which an empty one is any.
    """
    if offered is None:
        return []
    lacking = [one for one in wanted if not _has(offered.get(one["name"], []), str(one.get("version") or ""))]
    if not lacking:
        return []
    first = lacking[0]
    versions = sorted(offered.get(first["name"], []), key=_order, reverse=True)
    if not versions:
        return ["%s has no package %s" % (url, first["name"])]
    more = ", ..." if len(versions) > _NEWEST else ""
    has = ", ".join(versions[:_NEWEST]) + more
    return ["%s has no %s %s, but %s" % (url, first["name"], first["version"], has)]


def _has(versions: Iterable[str], wanted: str) -> bool:
    plain = [version.partition(":")[2] or version for version in versions]
    return any(not wanted or one == wanted or one.startswith(wanted + "-") for one in plain)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _debian_versions(url: str, timeout: float) -> Versions:
    """Return what a repository without suites has, by the first form of its list that is there."""
    *compressed, plain = _LISTS
    for name in compressed:
        with contextlib.suppress(_Refused):
            return parse_packages(_fetched(url + name, timeout))
    return parse_packages(_fetched(url + plain, timeout))


def parse_packages(text: str) -> Versions:
    """Return the versions by package of the text of a ``Packages``."""
    found: Versions = {}
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version): (\S+)", stanza, re.MULTILINE))
        if len(fields) == 2:
            found.setdefault(fields["Package"], []).append(fields["Version"])
    return found


def _rpm_versions(url: str, timeout: float) -> Versions | None:
    index = _fetched(url + "repodata/repomd.xml", timeout)
    found = re.search(r'<data type="primary">.*?<location href="([^"]+)"', index, re.DOTALL)
    if found is None:
        raise ValueError("its repomd.xml names no list of packages")
    # Zstandard can't be read on every node: the repository answers, and that is all that is known.
    return None if found[1].endswith(".zst") else parse_primary(_fetched(urljoin(url, found[1]), timeout))


def parse_primary(text: str) -> Versions:
    """Return the versions by package of the text of a ``primary.xml``."""
    found: Versions = {}
    for name, attributes in re.findall(r"<name>([^<]+)</name>.*?<version ([^>]*)/>", text, re.DOTALL):
        values = dict(re.findall(r'(\w+)="([^"]*)"', attributes))
        found.setdefault(name, []).append("%s-%s" % (values.get("ver", ""), values.get("rel", "")))
    return found


def _fetched(url: str, timeout: float, most: int = _MOST_BYTES) -> str:
    """Return the text of a file, unpacked by its name, or the beginning of it.

    Raises
    ------
    _Refused
        The server answers that it does not have it.
    ValueError
        It answers with a web page.
    OSError
        It does not answer.
    """
    try:
        with open_url(url, timeout=timeout, decompress=False) as response:
            content = response.read(most)
    except HTTPError as error:
        raise _Refused("%s answered %d %s" % (url, error.code, error.reason)) from error
    except URLError as error:
        if isinstance(error.reason, FileNotFoundError):
            raise _Refused("%s does not exist" % url) from error
        raise
    # The list of a package index is one itself, of which only the beginning is read.
    if most == _MOST_BYTES and content[:14].lower().startswith(_PAGE):
        raise ValueError("it is a web page, such as a proxy's")
    unpack = {"gz": gzip.decompress, "xz": lzma.decompress}.get(url.rpartition(".")[2], bytes)
    return unpack(content).decode("utf-8", "replace")
