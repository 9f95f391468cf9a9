# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Entries of others among the sources of apt or dnf that name the same repository as a file of Evenkeel's.

apt reads no source at all where two entries give one repository different keys. So the entry of others goes. The
file as it was is kept beside it, by a name that package managers don't read.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME, Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

#: What the name of a file as it was ends with. apt passes over ``.save`` in silence.
_KEPT = ".replaced-by-evenkeel.save"
#: The names of the files that apt and dnf read; apt ignores others, and those with other characters.
_READ = re.compile(r"^(?:sources\.list|[\w:-][\w.:-]*\.(?:list|sources|repo))$", re.ASCII)
_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(?P<uri>\S+)\s+(?P<suite>[^\s#]+)(?P<components>[^#]*)")
_SEPARATOR = re.compile(r"((?:^[ \t\r]*\n)+)", re.MULTILINE)
_FIELD = re.compile(r"^(?P<name>[A-Za-z-]+)[ \t]*:[ \t]*(?P<value>.*)")
_OPTION = re.compile(r"^(?P<name>\w+)[ \t]*[=:][ \t]*(?P<value>.*)")
_OFF = ("0", "no", "false", "off", "without", "disable")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Place:
    """Where a repository is, however an entry writes it.

    >>> Place.of("https://M:443/a/b/", "/") == Place.of("http://m/a", "b/") == Place.of("http://m//a/b")
    True
    """

    address: str
    suite: str

    @classmethod
    def of(cls, uri: str, suite: str = "/") -> Place:
        """Return the place that an entry names; a suite that ends with a slash is a directory below the address."""
        scheme, _colon, rest = uri.partition(":")
        scheme = scheme.lower()
        rest = rest.lstrip("/")
        if scheme in _DEFAULT_PORTS:
            host, _slash, path = rest.partition("/")
            host = host.rpartition("@")[2].lower()
            port = _DEFAULT_PORTS[scheme]
            host = host[: -len(port)] if host.endswith(port) else host
            scheme, rest = "http", "%s/%s" % (host, path)
        is_folder = suite.endswith("/")
        address = posixpath.normpath("/%s/%s" % (rest, suite if is_folder else ""))
        return cls("%s:%s" % (scheme, address), "" if is_folder else suite)


@dataclass(frozen=True)
class Repositories:
    """Repositories that no file of others may name.

    Parameters
    ----------
    places
        Where each is, and its components.
    variables
        What stands for variables in entries, such as ``$(ARCH)`` or ``$basearch``.
    """

    places: Mapping[Place, tuple[str, ...]]
    variables: Mapping[str, str]

    def has(self, uri: str, suite: str = "/", components: Iterable[str] = ()) -> bool:
        """Return whether an entry brings nothing but one of these repositories."""
        for name, value in self.variables.items():
            uri, suite = uri.replace(name, value), suite.replace(name, value)
        known = self.places.get(Place.of(uri, suite))
        return known is not None and set(components) <= set(known)


def variables(machine: str, release: str) -> dict[str, str]:
    """Return what stands for the variables of apt and dnf in entries.

    Parameters
    ----------
    machine
        The architecture as the kernel names it.
    release
        The distribution's version, such as ``9.4``.
    """
    debian = _DEBIAN_ARCHITECTURES.get(machine, machine)
    major = release.partition(".")[0]
    found = {"$(ARCH)": debian, "$basearch": machine, "$arch": machine}
    return {**found, "$releasever_major": major, "$releasever": major}


@dataclass(frozen=True)
class Foreign:
    """A file of others that names a repository of ours.

    Parameters
    ----------
    edit
        The file without that; no file where nothing else is in it.
    copy
        The file as it was, kept beside it.
    of_package
        Whether it is a package's, which would write it again: dpkg is to write it where it is kept.
    """

    edit: Change
    copy: Change
    of_package: bool = False

    def __str__(self) -> str:
        updates = ", where its package updates it" if self.of_package else ""
        return "%s, without the repository that Evenkeel adds; the file as it was is kept as %s%s" % (
            self.edit.path,
            self.copy.path,
            updates,
        )

    def things(self) -> list[Thing]:
        """Return what is to be recorded before it is taken over."""
        diversion = [Thing("diversion", self.edit.path)] if self.of_package else []
        return [Thing("backup", self.copy.path), *diversion]


def kept_path(path: str) -> str:
    """Return where a file of others is kept as it was."""
    return path + _KEPT


def is_ours(path: str) -> bool:
    """Return whether a file is Evenkeel's own, of those that the package manager reads; a kept copy is not."""
    name = os.path.basename(path)
    return OUR_NAME in name and _READ.match(name) is not None


def find(paths: Iterable[str], ours: Repositories) -> list[Foreign]:
    """Return the files of others that name a repository of ours and that the package manager reads."""
    found = []
    for path in sorted(paths):
        if is_ours(path) or not _READ.match(os.path.basename(path)) or not os.path.isfile(path):
            continue
        before = kept_files.read_shared(path)
        rest = without(path, before.text, ours) if before else ""
        if before is None or rest == before.text:
            continue
        after = replace(before, text=rest) if rest.strip() else None
        copy = Change(kept_path(path), kept_files.read(kept_path(path)), before)
        found.append(Foreign(Change(path, before, after), copy, _is_written_by_package(path)))
    return found


def take_over(foreign: Iterable[Foreign]) -> None:
    """Keep the files as they were, and take our repositories out of them."""
    for one in foreign:
        kept_files.apply(one.copy)
        if one.of_package:
            diversion = ["--divert", one.copy.path, "--add", one.edit.path]
            command.require(["dpkg-divert", "--local", "--no-rename", *diversion], "Run it on the node to see why")
        kept_files.apply(one.edit)


@dataclass(frozen=True)
class Return:
    """What was there before a repository of ours, and comes back when that goes.

    Parameters
    ----------
    files
        Kept copies, with the paths that they come back to.
    undiverted
        Files that their packages write again.
    left
        What can't come back, with the reason.
    """

    files: Mapping[str, str]
    undiverted: tuple[str, ...]
    left: tuple[str, ...]
    things: tuple[Thing, ...]

    def apply(self) -> None:
        """Carry it out."""
        for path in self.undiverted:
            command.require(
                ["dpkg-divert", "--local", "--no-rename", "--remove", path], "Run it on the node to see why"
            )
        for copy, path in self.files.items():
            os.rename(copy, path)


def give_back(recorded: Iterable[Thing], staying: Repositories) -> Return:
    """Find what of others comes back; a file that somebody has written since stays as it is.

    Parameters
    ----------
    staying
        Those of our repositories that stay: apt would read no source if a file of others named one of them again.
    """
    files, left, things = {}, [], []
    undiverted = []
    listed = list(recorded)
    kept = {thing.name[: -len(_KEPT)] for thing in listed if thing.kind == "backup" and thing.name.endswith(_KEPT)}
    waiting = {path for path in kept if _names(path, kept_files.text(kept_path(path)) or "", staying)}
    for thing in listed:
        path = thing.name[: -len(_KEPT)] if thing.name.endswith(_KEPT) else ""
        if path in waiting or thing.name in waiting:
            continue
        if thing.kind == "diversion":
            undiverted.append(thing.name)
            things.append(thing)
        elif thing.kind == "backup" and path and os.path.exists(thing.name):
            if os.path.exists(path):
                left.append("%s: %s as it was before Evenkeel, which is there with other entries" % (thing.name, path))
            else:
                files[thing.name] = path
                things.append(thing)
        elif thing.kind == "backup" and path:
            things.append(thing)
    return Return(files, tuple(undiverted), tuple(left), tuple(things))


def _names(path: str, text: str, ours: Repositories) -> bool:
    return without(path, text, ours) != text


def _is_written_by_package(path: str) -> bool:
    if path.endswith(".repo") or command.run(["dpkg-query", "--search", path]).status != 0:
        return False
    return command.require(["dpkg-divert", "--truename", path], "Run it on the node to see why").strip() == path


def without(path: str, text: str, ours: Repositories) -> str:
    """Return the text of a file without the entries that name a repository of ours.

    Parameters
    ----------
    path
        Its name says its form: ``.sources``, ``.repo``, or one entry a line.
    """
    if path.endswith(".sources"):
        return _without_stanzas(text, ours)
    if path.endswith(".repo"):
        return "".join(part for part in _sections(text) if not any(map(ours.has, _base_urls(part))))
    return "".join(line for line in text.splitlines(keepends=True) if not _is_line_of(line, ours))


def _is_line_of(line: str, ours: Repositories) -> bool:
    found = _LINE.match(line)
    return found is not None and ours.has(found["uri"], found["suite"], found["components"].split())


def _without_stanzas(text: str, ours: Repositories) -> str:
    parts = _SEPARATOR.split(text)
    result = ""
    for stanza, separator in zip(parts[::2], [*parts[1::2], ""]):
        rest = _stanza_without(stanza, ours)
        result += rest + separator if rest or not stanza else ""
    return result


def _stanza_without(stanza: str, ours: Repositories) -> str:
    """Return a stanza without ours; it is several where not each of its addresses keeps the same suites."""
    fields = _fields(stanza)
    if fields.get("enabled", "yes").lower() in _OFF:
        return stanza
    uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
    components = fields.get("components", "").split()
    left = {uri: tuple(suite for suite in suites if not ours.has(uri, suite, components)) for uri in uris}
    if all(kept == tuple(suites) for kept in left.values()):
        return stanza
    groups: dict[tuple[str, ...], list[str]] = {}
    for uri, kept in left.items():
        groups.setdefault(kept, []).append(uri)
    stanzas = [
        _with(stanza, {"uris": "URIs: " + " ".join(of), "suites": "Suites: " + " ".join(kept)})
        for kept, of in groups.items()
        if kept
    ]
    return "\n".join(stanzas)


def _fields(stanza: str) -> dict[str, str]:
    """Return the fields of a stanza by their names in small letters, each as one line."""
    fields: dict[str, str] = {}
    for name, line in _named(stanza.splitlines()):
        if name and not line.startswith("#"):
            found = _FIELD.match(line)
            fields[name] = found["value"].strip() if found else "%s %s" % (fields[name], line.strip())
    return fields


def _with(stanza: str, lines: Mapping[str, str]) -> str:
    """Return a stanza with other lines for some of its fields."""
    result = []
    for name, line in _named(stanza.splitlines()):
        if name not in lines or line.startswith("#"):
            result.append(line)
        elif _FIELD.match(line):
            result.append(lines[name])
    return "".join("%s\n" % line for line in result)


def _named(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the name of the field that it is of."""
    name = ""
    for line in lines:
        found = _FIELD.match(line)
        name = found["name"].lower() if found else name
        yield name, line


def _sections(text: str) -> list[str]:
    return re.split(r"^(?=\[)", text, flags=re.MULTILINE)


def _base_urls(section: str) -> Collection[str]:
    """Return the addresses of a section of a file of dnf's; none where it is switched off."""
    options: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        found = _OPTION.match(line)
        if found:
            name = found["name"]
            options[name] = found["value"]
        elif name and line.startswith((" ", "\t")):
            options[name] += " " + line
    if options.get("enabled", "1").strip().lower() in _OFF:
        return ()
    return re.split(r"[\s,]+", options.get("baseurl", "").strip())


def places(path: str, text: str) -> dict[Place, tuple[str, ...]]:
    """Return the places that a file of Evenkeel's own names, which has one repository, with their components."""
    if path.endswith(".repo"):
        return {Place.of(url): () for part in _sections(text) for url in _base_urls(part) if url}
    fields = _fields(text)
    components = tuple(fields.get("components", "").split())
    suites = fields.get("suites", "").split()
    return {Place.of(uri, suite): components for uri in fields.get("uris", "").split() for suite in suites}
