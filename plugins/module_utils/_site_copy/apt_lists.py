# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""APT's signed lists and lists of packages, as texts; see the Debian repository format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Need, Package

#: The hashes that count, the strongest first.
HASHES = {"SHA512": "sha512", "SHA256": "sha256"}
_ARMOUR = re.compile(
    r"\A-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)\r?\n-----BEGIN PGP SIGNATURE-----",
    re.DOTALL,
)
_ENTRY = re.compile(r"^ ([0-9a-f]+) +([0-9]{1,18}) +(\S+)$", re.MULTILINE)
_SIZE = re.compile(r"[0-9]{1,18}")
_NEED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+._-]*)(?::(?P<architecture>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s)]+)\s*\)\s*)?(?:\[[^]]*\]\s*)?(?:<[^>]*>\s*)*"
)
_OLD_RELATIONS = {"<": "<=", ">": ">="}
_PACKAGE_PATH = re.compile(
    r"(?:\./)?((?:[A-Za-z0-9_+][A-Za-z0-9._+~%:=@,!-]*/)*[A-Za-z0-9][A-Za-z0-9._+~%:=@,!-]*\.deb)"
)


@dataclass(frozen=True)
class Entry:
    """A list that a signed one names."""

    name: str
    size: int
    #: By the field of the signed list, such as ``SHA256``.
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class Release:
    """A signed list."""

    fields: Mapping[str, str]
    entries: Mapping[str, Entry]

    @property
    def by_hash(self) -> bool:
        """Whether its lists are found by their hashes, too."""
        return self.fields.get("Acquire-By-Hash", "").lower() == "yes"

    @property
    def valid_until(self) -> datetime | None:
        """Until when clients take it."""
        text = self.fields.get("Valid-Until", "")
        try:
            return parsedate_to_datetime(text) if text else None
        except (TypeError, ValueError, IndexError):
            return None

    @property
    def separate_all(self) -> bool:
        """Whether packages of all architectures have a list of their own."""
        return "Packages" not in self.fields.get("No-Support-for-Architecture-all", "").split() and (
            "all" in self.fields.get("Architectures", "").split()
        )


def parse_release(text: str, where: str) -> Release:
    """Return what ``InRelease`` or ``Release`` says.

    Raises
    ------
    EvenkeelError
        It is neither, such as a sign-in page.
    """
    armoured = _ARMOUR.search(text)
    body = re.sub(r"^- ", "", armoured[1], flags=re.MULTILINE) if armoured else text
    fields = next(paragraphs(body.splitlines()), {})
    found: dict[str, dict[str, str]] = {}
    sizes: dict[str, int] = {}
    for kind in HASHES:
        for digest, size, name in _ENTRY.findall("\n" + fields.get(kind, "")):
            if _is_plain(name):
                found.setdefault(name, {})[kind] = digest
                sizes[name] = int(size)
    if not found:
        raise EvenkeelError(
            "%s is no list of APT with SHA-256 sums" % where,
            "Check the repository's URL, its suite, and what stands before it",
        )
    return Release(fields, {name: Entry(name, sizes[name], hashes) for name, hashes in found.items()})


def _is_plain(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


def paragraphs(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a control file, as fields; lines that continue a field are kept with their indent."""
    fields: dict[str, list[str]] = {}
    last = ""
    for line in lines:
        if not line.strip():
            if fields:
                yield _joined(fields)
            fields, last = {}, ""
        elif line[0] in " \t":
            if last:
                fields[last].append(line)
        elif not line.startswith("#"):
            last, colon, value = line.partition(":")
            if colon:
                fields[last] = [value.strip()]
            else:
                last = ""
    if fields:
        yield _joined(fields)


def _joined(fields: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: "\n".join(lines) for name, lines in fields.items()}


def packages(lines: Iterable[str], folder: str, architecture: str) -> Iterator[Package]:
    """Yield the packages of a list that a node of an architecture can install.

    Parameters
    ----------
    folder
        The path in the copy that files are relative to.
    """
    for fields in paragraphs(lines):
        if fields.get("Architecture") not in (architecture, "all"):
            continue
        found = _package(fields, folder, architecture)
        if found:
            yield found


def _package(fields: Mapping[str, str], folder: str, architecture: str) -> Package | None:
    """Return a package; None where its paragraph lacks what it takes to fetch and check it."""
    path = _PACKAGE_PATH.fullmatch(fields.get("Filename", ""))
    kind = next((kind for kind in HASHES if fields.get(kind)), "")
    size = _SIZE.fullmatch(fields.get("Size", ""))
    if not (path and kind and size and fields.get("Package") and fields.get("Version")):
        return None
    needs = [*needs_of(fields.get("Pre-Depends", ""), architecture), *needs_of(fields.get("Depends", ""), architecture)]
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        path="%s/%s" % (folder, path[1]),
        size=int(size[0]),
        algorithm=HASHES[kind],
        digest=fields[kind].lower(),
        source=fields.get("Source", fields["Package"]).partition(" ")[0],
        depends=tuple(needs),
        provides=tuple(_provided(fields.get("Provides", ""))),
    )


def needs_of(text: str, architecture: str) -> Iterator[tuple[Need, ...]]:
    """Yield the alternatives of each dependency.

    >>> [list(map(str, one)) for one in needs_of("a (>= 1) | b, c:any", "amd64")]
    [['a (>= 1)', 'b'], ['c']]
    """
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = []
        for alternative in part.split("|"):
            match = _NEED.fullmatch(alternative.strip())
            if match and match["architecture"] in (None, "any", "native", "all", architecture):
                relation = match["relation"] or ""
                found.append(Need(match["name"], _OLD_RELATIONS.get(relation, relation), match["version"] or ""))
        if found:
            yield tuple(found)


def _provided(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _NEED.fullmatch(part)
        if match:
            yield match["name"], match["version"] or ""
