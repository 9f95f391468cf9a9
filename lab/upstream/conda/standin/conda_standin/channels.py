# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels: what their names and URLs mean under the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SUBDIRS = ("noarch", "linux-64", "linux-aarch64")


@dataclass(frozen=True)
class Channel:
    """One place with packages."""

    scheme: str
    location: str
    name: str

    @property
    def base_url(self) -> str:
        """URL of the folder that holds ``noarch/`` and the platforms."""
        return f"{self.scheme}://{self.location}/{self.name}".rstrip("/")

    def as_json(self) -> dict[str, Any]:
        """Return the channel in the form of conda's answers."""
        return {
            "auth": None,
            "location": self.location,
            "name": self.name,
            "package_filename": None,
            "platform": None,
            "scheme": self.scheme,
            "token": None,
        }


@dataclass(frozen=True)
class Channels:
    """What channel names stand for.

    Parameters
    ----------
    custom
        Names with a place of their own.
    groups
        Names that stand for several channels, such as ``defaults``.
    """

    alias: Channel
    custom: Mapping[str, Channel]
    groups: Mapping[str, Sequence[Channel]]

    @classmethod
    def configured(
        cls,
        alias: str,
        default_channels: Sequence[str],
        custom_channels: Mapping[str, str],
        custom_multichannels: Mapping[str, Sequence[str]],
    ) -> Channels:
        """Return the meaning of names under these values of condarc parameters."""
        place = _split(alias)
        bare = cls(Channel(*place, ""), {}, {})
        custom = {name: Channel(*_split(base), name) for name, base in custom_channels.items()}
        named = cls(bare.alias, custom, {})
        defaults = [channel for text in default_channels for channel in named.named(text)]
        custom = {channel.name: channel for channel in defaults} | custom
        groups: dict[str, Sequence[Channel]] = {"defaults": defaults, "local": []}
        complete = cls(bare.alias, custom, groups)
        for name, members in custom_multichannels.items():
            groups[name] = [channel for member in members for channel in complete.named(member)]
        return complete

    def named(self, text: str) -> list[Channel]:
        """Return the channels that ``text`` stands for: a name, a URL, a path, or a group."""
        if text in self.groups:
            return list(self.groups[text])
        if text.startswith(("/", "./", "../", "~")):
            return [self.at(Path(text).expanduser().absolute().as_uri())]
        if "://" in text:
            return [self.at(text)]
        for known in self._longest_first():
            if _starts_with(text, known):
                place = self.custom[known]
                return [Channel(place.scheme, place.location, text)]
        return [Channel(self.alias.scheme, self.alias.location, text.strip("/"))]

    def at(self, url: str) -> Channel:
        """Return the channel of a URL of a channel, of one of its platforms or of a package."""
        scheme, place = _split(url)
        if place.endswith((".conda", ".tar.bz2")):
            place = place.rpartition("/")[0]
        head, _, last = place.rpartition("/")
        if last in SUBDIRS:
            place = head
        for known in self._longest_first():
            custom = self.custom[known]
            base = f"{custom.location}/{custom.name}"
            if _starts_with(place, base):
                return Channel(scheme, custom.location, f"{custom.name}{place[len(base) :]}")
        if self.alias.location and _starts_with(place, self.alias.location):
            return Channel(scheme, self.alias.location, place[len(self.alias.location) :].strip("/"))
        if scheme == "file":
            location, _, name = place.rpartition("/")
            return Channel(scheme, location, name)
        host, _, path = place.partition("/")
        if path.startswith("conda/"):
            host, path = f"{host}/conda", path.removeprefix("conda/")
        return Channel(scheme, host, path)

    def canonical_name(self, channel: Channel) -> str:
        """Return the short name of ``channel`` that lists and histories use."""
        for name, group in self.groups.items():
            if any(member.name == channel.name for member in group):
                return name
        if any(_starts_with(channel.name, known) for known in self.custom):
            return channel.name
        return channel.name if channel.location == self.alias.location else channel.base_url

    def _longest_first(self) -> list[str]:
        return sorted(self.custom, key=len, reverse=True)


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = parts.netloc.rpartition("@")[2]
    return parts.scheme, f"{host}{parts.path}".rstrip("/")


def _starts_with(path: str, start: str) -> bool:
    return f"{path}/".startswith(f"{start}/")
