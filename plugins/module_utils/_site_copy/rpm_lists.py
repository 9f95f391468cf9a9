# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""RPM's lists, as XML: repomd.xml, which names the others, and primary, which has the packages."""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO
from xml.etree import ElementTree

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Need, Package

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_RPM = "{http://linux.duke.edu/metadata/rpm}"
#: RPM's names of hashes.
_ALGORITHMS = {"sha256": "sha256", "sha512": "sha512", "sha": "sha1", "sha1": "sha1", "md5": "md5"}
_RELATIONS = {"LT": "<<", "LE": "<=", "EQ": "=", "GE": ">=", "GT": ">>"}
#: What rpm itself provides, and packages of themselves.
_OF_RPM = ("rpmlib(", "config(")
_HREF = re.compile(r"(?:[A-Za-z0-9_+][A-Za-z0-9._+~%:=@,!^-]*/)*[A-Za-z0-9_][A-Za-z0-9._+~%:=@,!^-]*")
_SIZE = re.compile(r"[0-9]{1,18}")
_RICH = re.compile(r"\(|\)|[^\s()]+(?:\([^\s()]*\)(?:\([^\s()]*\))?)?")
_SIGNS = {"<": "<<", "<=": "<=", "=": "=", ">=": ">=", ">": ">>"}
#: What of a rich dependency is needed of those that it joins: the first alternative, all, or what stands before it.
_OPERATORS = ("and", "or", "with", "if", "unless", "without", "else")
#: Of a rich dependency, whose parts multiply; real ones have some ten words.
_MOST_WORDS, _MOST_NEEDS = 500, 1000
#: Of a package of a module's stream, as its builder names releases.
_MODULAR = re.compile(r"\.module[_+]")


@dataclass(frozen=True)
class Entry:
    """A list that repomd.xml names."""

    kind: str
    path: str
    size: int
    algorithm: str
    digest: str


def parse_repomd(content: bytes, where: str) -> list[Entry]:
    """Return the lists that repomd.xml names, apart from databases, which are of the same content for old clients.

    Raises
    ------
    EvenkeelError
        It is none, such as a sign-in page.
    """
    refused = EvenkeelError(
        "%s is no repomd.xml" % where, "Check the repository's URL, and what stands before the upstream"
    )
    if b"<!DOCTYPE" in content[:4096] or b"<!ENTITY" in content:
        raise refused
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  # without entities, expat's own bounds hold
    except ElementTree.ParseError:
        raise refused from None
    if root.tag != _REPO + "repomd":
        raise refused
    found = []
    for data in root.iter(_REPO + "data"):
        kind = data.get("type", "")
        checksum, location = data.find(_REPO + "checksum"), data.find(_REPO + "location")
        href = location.get("href", "") if location is not None else ""
        algorithm = _ALGORITHMS.get(checksum.get("type", ""), "") if checksum is not None else ""
        size = data.findtext(_REPO + "size", "0")
        if kind.endswith("_db"):
            continue
        if checksum is None or not algorithm or not _HREF.fullmatch(href):
            raise EvenkeelError("%s names its list %s wrongly" % (where, kind or "?"), "Check the upstream")
        digest = (checksum.text or "").strip().lower()
        found.append(Entry(kind, href, int(size) if _SIZE.fullmatch(size) else 0, algorithm, digest))
    if not any(one.kind == "primary" for one in found):
        raise EvenkeelError("%s names no list of packages" % where, "Check the upstream")
    return found


def packages(stream: IO[bytes], folder: str, architecture: str, where: str) -> Iterator[Package]:
    """Yield the packages of primary.xml that a node of an architecture can install.

    Parameters
    ----------
    folder
        The path of the repository in the copy.

    Raises
    ------
    EvenkeelError
        It is no such list.
    """
    try:
        for _event, element in ElementTree.iterparse(stream):  # noqa: S314  # it is named by a hash
            if element.tag == _COMMON + "package":
                if element.get("type") == "rpm" and element.findtext(_COMMON + "arch") in (architecture, "noarch"):
                    found = _package(element, folder)
                    if found:
                        yield found
                element.clear()
    except (ElementTree.ParseError, EOFError, OSError, lzma.LZMAError, zlib.error, RecursionError, ValueError) as error:
        raise EvenkeelError("%s can't be read: %s" % (where, error), "Check the upstream") from error


def _package(element: ElementTree.Element, folder: str) -> Package | None:
    """Return a package; None where its entry lacks what it takes to fetch and check it."""
    version, checksum = element.find(_COMMON + "version"), element.find(_COMMON + "checksum")
    location, size = element.find(_COMMON + "location"), element.find(_COMMON + "size")
    details = element.find(_COMMON + "format")
    if version is None or checksum is None or location is None or size is None or details is None:
        return None
    name, href = element.findtext(_COMMON + "name") or "", location.get("href", "")
    algorithm = _ALGORITHMS.get(checksum.get("type", ""), "")
    package_size = size.get("package", "")
    if not (name and _HREF.fullmatch(href) and algorithm and _SIZE.fullmatch(package_size)):
        return None
    full = _version(version)
    provides = [(one.get("name", ""), _version(one)) for one in details.iterfind("%sprovides/%sentry" % (_RPM, _RPM))]
    files = [(one.text or "", "") for one in details.iterfind(_COMMON + "file")]
    needs = [need for one in details.iterfind("%srequires/%sentry" % (_RPM, _RPM)) for need in _needs(one)]
    source = (details.findtext(_RPM + "sourcerpm") or "").rsplit("-", 2)[0]
    return Package(
        name=name,
        version=full,
        path="%s/%s" % (folder, href),
        size=int(package_size),
        algorithm=algorithm,
        digest=(checksum.text or "").strip().lower(),
        source=source or name,
        depends=tuple(dict.fromkeys(needs)),
        provides=tuple(one for one in [*provides, *files] if one[0] and one[0] != name),
        modular=bool(_MODULAR.search(full)),
    )


def _version(entry: ElementTree.Element) -> str:
    """Return ``[EPOCH:]VERSION[-RELEASE]``, empty where there is none."""
    version, release, epoch = entry.get("ver", ""), entry.get("rel", ""), entry.get("epoch") or "0"
    if not version:
        return ""
    return "%s%s%s" % ("" if epoch == "0" else "%s:" % epoch, version, "-%s" % release if release else "")


def _needs(entry: ElementTree.Element) -> Iterable[tuple[Need, ...]]:
    name = entry.get("name", "")
    if not name or name.startswith(_OF_RPM):
        return ()
    if name.startswith("("):
        return rich(name)
    version = _version(entry)
    return ((Need(name, _RELATIONS.get(entry.get("flags", ""), "") if version else "", version),),)


def rich(text: str) -> list[tuple[Need, ...]]:
    """Return what a rich dependency needs: of ``or`` one, of ``and`` and ``with`` all, of ``if`` what stands before it.

    >>> [list(map(str, one)) for one in rich("((a >= 1 with b) or c)")]
    [['a (>= 1)', 'c'], ['b', 'c']]

    Raises
    ------
    ValueError
        It is far longer than any real one.
    """
    words = _RICH.findall(text)
    if len(words) > _MOST_WORDS:
        raise ValueError("a dependency has %d words" % len(words))
    return _joined(words)


def _joined(words: list[str]) -> list[tuple[Need, ...]]:
    """Return the needs of the words of an expression, as all of some that are each one of others."""
    operand: list[tuple[Need, ...]] = []
    operator, result = "and", None
    while words:
        word = words.pop(0)
        if word == ")":
            break
        if word == "(":
            operand = _joined(words)
        elif word in _OPERATORS:
            result = _applied(result, operator, operand)
            operator, operand = word, []
        elif word in _SIGNS and operand and words:
            last = operand[-1][-1]
            operand = [(Need(last.name, _SIGNS[word], words.pop(0)),)]
        else:
            operand = [(Need(word),)]
    return _applied(result, operator, operand)


def _applied(
    result: list[tuple[Need, ...]] | None, operator: str, operand: list[tuple[Need, ...]]
) -> list[tuple[Need, ...]]:
    if result is None:
        return operand
    if operator in ("and", "with"):
        return [*result, *operand]
    if operator == "or":
        if len(result) * len(operand) > _MOST_NEEDS:
            raise ValueError("a dependency has more than %d alternatives" % _MOST_NEEDS)
        return [(*one, *other) for one in result for other in operand] if operand else result
    return result
