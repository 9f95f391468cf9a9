# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda's match specifications say of channels, and the one spelling of those that mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import SUBDIR, channel_urls, require_public

_URL = re.compile(
    r"(?P<channel>\w+://\S+)/(?P<subdir>[\w-]+)/(?P<name>[^/\s]+)-(?P<version>[^-/\s]+)-(?P<build>[^-/\s]+)"
    r"\.(conda|tar\.bz2)(#(sha256:)?(?P<hash>[0-9a-f]{32}|[0-9a-f]{64}))?"
)
_BRACKET = re.compile(
    r"""\[((?P<before>[^\]]*),)?\s*channel\s*=\s*['"]?(?P<channel>[^'",\]]+)['"]?\s*(,(?P<after>[^\]]*))?\]"""
)
_ANY_URL = re.compile(r"""\w+://[^\s'",\]]+""")
#: Spaces that mean nothing: before the first operator, after each, and around what joins conditions.
_SPACES = re.compile(r"^\s+(?=[<>=!~])|(?<=[<>=!~])\s+|\s+(?=[,|])|(?<=[,|])\s+")
#: A version alone, in brackets.
_VERSION = re.compile(r"""\s*\[\s*version\s*=\s*(['"]?)(?P<version>[^'"\[\]]+)\1\s*\]""")
#: Conditions that all hold, and a build behind a space; not alternatives, nor a build behind a ``=``.
_CONDITIONS = re.compile(r" ?(?P<conditions>[<>=!~]{0,2}[\w.*+]+(,[<>=!~]{0,2}[\w.*+]+)*)(?P<build> [^\s\[\]]+)?")
_MISSING_COMMA = re.compile(r"([<>=!~\s][\w.*+]+)\s+(?=[<>!~]|==)")
_ANY_BELOW = re.compile(r"=?(?P<version>\d[\w.]*)\.\*")


@dataclass(frozen=True)
class CondaSpec:
    """A specification in parts."""

    #: URL of the channel that the package must come from; empty when any may have it.
    channel: str
    #: Of the channel; empty when any of the platform's may have it.
    subdir: str
    #: Name, version, build and conditions in brackets, as they are written.
    rest: str

    @property
    def text(self) -> str:
        """The specification, with the channel as a URL."""
        place = "/".join(filter(None, [self.channel, self.subdir]))
        return f"{place}::{self.rest}" if place else self.rest


def parts(text: str) -> CondaSpec:
    """Return the parts of a specification, however it names its channel.

    Parameters
    ----------
    text
        Such as ``numpy>=2``, ``nvidia::cuda-nvcc``, ``nvidia/linux-64::cuda-nvcc``, ``pytorch[channel=pytorch]``, or
        the URL of a package, with or without a hash.

    Raises
    ------
    EvenkeelError
        A URL carries credentials.
    """
    for address in _ANY_URL.findall(text):
        require_public(address)
    if url := _URL.fullmatch(text):
        channel, subdir = url["channel"], url["subdir"]
        digest = url["hash"] or ""
        kind = {0: "", 32: f"[md5={digest}]", 64: f"[sha256={digest}]"}[len(digest)]
        rest = f"{url['name']}=={url['version']}={url['build']}{kind}"
    else:
        channel, _unused, rest = text.rpartition("::")
        if not channel and (bracket := _BRACKET.search(rest)):
            channel = bracket["channel"].strip()
            others = ",".join(filter(None, [bracket["before"], bracket["after"]])).strip()
            rest = rest[: bracket.start()] + (f"[{others}]" if others else "") + rest[bracket.end() :]
        subdir = ""
        if below := SUBDIR.fullmatch(channel.rstrip("/")):
            channel, subdir = below["channel"], below["subdir"]
    urls = channel_urls([channel]) if channel else ()
    return CondaSpec(urls[0] if urls else "", subdir, rest.strip())


def channels_of(specs: Iterable[str]) -> tuple[str, ...]:
    """Return the URLs of the channels that specifications name, each once."""
    return tuple(dict.fromkeys(channel for text in specs if (channel := parts(text).channel)))


def normal(text: str) -> str:
    """Return a specification in one spelling: like ``respaced``, with a version's conditions in one order and form."""
    return _respelled(text, lambda conditions: _in_order(_spaced(_without_brackets(conditions))))


def respaced(text: str) -> str:
    """Return a specification with its channel's URL, its name in lower case, and few spaces."""
    return _respelled(text, _spaced)


def with_commas(text: str) -> str:
    """Return a specification with a comma wherever a space is between two conditions of a version."""
    before, bracket, after = text.partition("[")
    return _MISSING_COMMA.sub(r"\1,", before) + bracket + after


def _respelled(text: str, respell: Callable[[str], str]) -> str:
    spec = parts(text)
    name = re.match(r"[\w.-]*", spec.rest)
    end = name.end() if name else 0
    return CondaSpec(spec.channel, spec.subdir, spec.rest[:end].lower() + respell(spec.rest[end:])).text


def _spaced(conditions: str) -> str:
    return re.sub(r"\s+", " ", _SPACES.sub("", conditions))


def _without_brackets(conditions: str) -> str:
    version = _VERSION.fullmatch(conditions)
    return f" {version['version'].strip()}" if version else conditions


def _in_order(conditions: str) -> str:
    """Return conditions with lower bounds first, and ``3.11.*`` as ``=3.11``."""
    found = _CONDITIONS.fullmatch(conditions)
    if not found:
        return conditions
    each = found["conditions"].split(",")
    if not found["build"]:  # with a build, =3.11 is this very version
        each = [f"={fuzzy['version']}" if (fuzzy := _ANY_BELOW.fullmatch(one)) else one for one in each]
    ordered = ",".join(sorted(set(each), reverse=True))
    return ("" if ordered[0] in "<>=!~" else " ") + ordered + (found["build"] or "")
