# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda's match specifications say of channels, and the one spelling of those that mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import channel_urls

_URL = re.compile(
    r"(?P<channel>\w+://\S+)/(?P<subdir>[\w-]+)/(?P<name>[^/\s]+)-(?P<version>[^-/\s]+)-(?P<build>[^-/\s]+)"
    r"\.(conda|tar\.bz2)(#(sha256:)?(?P<hash>[0-9a-f]{32}|[0-9a-f]{64}))?"
)
_BRACKET = re.compile(
    r"""\[((?P<before>[^\]]*),)?\s*channel\s*=\s*['"]?(?P<channel>[^'",\]]+)['"]?\s*(,(?P<after>[^\]]*))?\]"""
)
_SUBDIR = re.compile(r"(?P<channel>.+)/(?P<subdir>noarch|(linux|osx|win|emscripten|wasi|freebsd|zos)-\w+)")
#: Spaces that mean nothing: before the first operator, after each, and around what joins conditions.
_SPACES = re.compile(r"^\s+(?=[<>=!~])|(?<=[<>=!~])\s+|\s+(?=[,|])|(?<=[,|])\s+")


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
        The channel carries credentials.
    """
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
        if below := _SUBDIR.fullmatch(channel.rstrip("/")):
            channel, subdir = below["channel"], below["subdir"]
    urls = channel_urls([channel]) if channel else ()
    return CondaSpec(urls[0] if urls else "", subdir, rest.strip())


def channels_of(specs: Iterable[str]) -> tuple[str, ...]:
    """Return the URLs of the channels that specifications name, each once."""
    return tuple(dict.fromkeys(channel for text in specs if (channel := parts(text).channel)))


def normal(text: str) -> str:
    """Return a specification in one spelling: with its channel's URL, its name in lower case, and few spaces."""
    spec = parts(text)
    name = re.match(r"[\w.-]*", spec.rest)
    end = name.end() if name else 0
    conditions = re.sub(r"\s+", " ", _SPACES.sub("", spec.rest[end:]))
    return CondaSpec(spec.channel, spec.subdir, spec.rest[:end].lower() + conditions).text
