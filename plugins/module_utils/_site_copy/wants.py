# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a site copy is to hold, as the module's option says it, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without_user
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import index_pages, manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Wanted

_FILE: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "url": {"type": "str", "default": ""},
    "sha256": {"type": "str", "default": ""},
    "size": {"type": "int", "default": 0},
}
_PIP: dict[str, Any] = {
    "project": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "size": {"type": "int", "default": 0},
}
_REPOSITORY: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "suite": {"type": "str", "default": "/"},
    "components": {"type": "list", "elements": "str", "default": []},
    "key": {"type": "str", "default": "", "no_log": False},
    "key_member": {"type": "str", "default": "", "no_log": False},
}
_SET: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["apt", "rpm"], "required": True},
    "architecture": {"type": "str", "required": True},
    "repositories": {"type": "list", "elements": "dict", "required": True, "options": _REPOSITORY},
    "packages": {"type": "list", "elements": "str", "required": True},
    "pins": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "patterns": {"type": "list", "elements": "str", "required": True},
            "version": {"type": "str", "required": True},
        },
    },
    "complete": {"type": "bool", "default": True},
}
#: Of a file's name in a URL, as apt does: some servers take ``+`` for a space, and names may hold ``%``.
_UNQUOTED = "~!:=,@"
#: Of the module's option ``wants``.
OPTIONS: dict[str, Any] = {
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "conda": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "pip": {"type": "list", "elements": "dict", "default": [], "options": _PIP},
    "packages": {"type": "list", "elements": "dict", "default": [], "options": _SET},
}


@dataclass(frozen=True)
class Repository:
    """A repository of packages.

    Parameters
    ----------
    path
        Below the root of the copy.
    suite, components
        Of APT; ``/`` is a repository without suites.
    key
        Below the root of the copy, or an absolute path of this machine; empty where its signature is not checked here.
    key_member
        The path of the key in the Debian package that ``key`` is.
    """

    path: str
    suite: str = "/"
    components: tuple[str, ...] = ()
    key: str = ""
    key_member: str = ""

    def __str__(self) -> str:
        return self.path if self.suite == "/" else "%s %s" % (self.path, self.suite)


@dataclass(frozen=True)
class Pin:
    """Packages of which one version alone counts.

    Parameters
    ----------
    patterns
        Of names, or with ``src:`` before it, of names of source packages.
    version
        The package's version begins with it.
    """

    patterns: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class PackageSet:
    """Packages of a distribution with all that they depend on, out of repositories that one node has.

    Parameters
    ----------
    name
        For messages, such as ``Debian 12 on x86_64``.
    packages
        Names, or ``NAME=VERSION``.
    complete
        Whether the repositories have to have all dependencies; otherwise nodes have the rest from elsewhere.
    """

    name: str
    kind: str
    architecture: str
    repositories: tuple[Repository, ...]
    packages: tuple[str, ...]
    pins: tuple[Pin, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Request:
    """All that a copy is to hold."""

    files: tuple[Wanted, ...]
    conda: tuple[Wanted, ...]
    pip: tuple[Wanted, ...]
    releases: tuple[index_pages.Release, ...]
    sets: tuple[PackageSet, ...]


class Upstreams:
    """Where what is below which path comes from.

    Parameters
    ----------
    given
        Mappings with ``path`` and ``url``, as the module ``package_mirror`` takes them.
    """

    def __init__(self, given: Iterable[Mapping[str, Any]]) -> None:
        self._urls = {str(one["path"]).strip("/"): str(one["url"]).rstrip("/") for one in given}

    def has(self, path: str) -> bool:
        """Whether there is an upstream above a path."""
        return any(path.startswith("%s/" % one) for one in self._urls)

    def url(self, path: str) -> str:
        """Return the URL of a path, by the longest path of an upstream that is above it.

        Raises
        ------
        EvenkeelError
            There is none.
        """
        parts = path.split("/")
        for length in range(len(parts), 0, -1):
            base = self._urls.get("/".join(parts[:length]))
            if base:
                return "/".join([base, *(quote(part, safe=_UNQUOTED) for part in parts[length:])])
        raise EvenkeelError(
            "Nothing is known that %s comes from" % path,
            "Name its upstream (package_mirror_upstreams of the role); known are %s"
            % (", ".join(sorted(self._urls)) or "none"),
        )


def parse(wants: Mapping[str, Any], upstreams: Upstreams) -> Request:
    """Return what the module's option asks for.

    Raises
    ------
    EvenkeelError
        It names something that can't be.
    """
    pip = []
    for one in wants["pip"]:
        if not one["sha256"]:
            raise EvenkeelError("%s has no sha256" % one["name"], "Lock its environment again")
        pip.append(_wanted({**one, "path": index_pages.path(one["project"], one["name"])}, upstreams))
    return Request(
        files=tuple(_wanted(one, upstreams) for one in wants["files"]),
        conda=tuple(_wanted(one, upstreams) for one in wants["conda"]),
        pip=tuple(pip),
        releases=tuple(
            index_pages.Release(one["project"], one["name"], one["sha256"], one["size"]) for one in wants["pip"]
        ),
        sets=tuple(map(_set, wants["packages"])),
    )


def _wanted(fields: Mapping[str, Any], upstreams: Upstreams) -> Wanted:
    path, url, sha256 = fields["path"], fields["url"], fields["sha256"]
    manifest.require_right(path)
    if url and not url.startswith(("http://", "https://", "file:///")):
        raise EvenkeelError(
            "%s comes from %s, which a copy can't hold" % (path, without_user(url)),
            "Take it from a package index or a channel, or leave its lock out",
        )
    return Wanted(path, url or upstreams.url(path), fields["size"], digest=sha256)


def _set(fields: Mapping[str, Any]) -> PackageSet:
    repositories = tuple(
        Repository(one["path"].strip("/"), one["suite"], tuple(one["components"]), one["key"], one["key_member"])
        for one in fields["repositories"]
    )
    for one in repositories:
        for path in (one.path, *(part for part in one.suite.strip("/").split("/") if part), *one.components):
            manifest.require_right(path)
        _require_components(one, fields["kind"])
    pins = tuple(Pin(tuple(one["patterns"]), one["version"]) for one in fields["pins"])
    return PackageSet(
        name=fields["name"],
        kind=fields["kind"],
        architecture=fields["architecture"],
        repositories=repositories,
        packages=tuple(_names(fields["packages"])),
        pins=pins,
        complete=fields["complete"],
    )


def _require_components(one: Repository, kind: str) -> None:
    if kind == "apt" and one.suite != "/" and not one.components:
        raise EvenkeelError("The repository %s has no components" % one, "Name them, such as main")


def _names(packages: Sequence[str]) -> Iterable[str]:
    return dict.fromkeys(packages)
