# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Mirrors of conda's sites: what a site variable names, what that mirror carries, and what follows for a node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without_user
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import (
    ALIAS,
    ANACONDA,
    channel_urls,
    without_credentials,
)

DATA = Path(__file__).parents[1] / "data" / "mirrors.yml"
CUSTOM_KEYS = ("name", "url", "pkgs", "channels", "cloud", "miniconda", "miniforge", "pip_index", "notes")
#: Of a mapping that names a package mirror of the site's own by its host.
SITE_KEYS = ("host", "port", "tls", "name", "pip_index", "notes")
PORTS = {"http": 8008, "https": 8443}
#: What is below which path of such a mirror.
SITE, CLOUD, MINIFORGE, PIP = "anaconda", "anaconda/cloud", "miniforge", "pypi"

#: What of pkgs/ conda's ``defaults`` means on Linux, in order of priority.
_DEFAULTS = ("main", "r")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+")


@dataclass(frozen=True)
class Carried:
    """A channel that a mirror carries."""

    #: What the names are appended to.
    cloud: str
    #: The channel's name; of ``defaults``, the names that it means.
    names: tuple[str, ...]
    #: The platforms it is carried for; None where that is not known.
    platforms: frozenset[str] | None = None

    @property
    def urls(self) -> list[str]:
        """Where the mirror has it."""
        return [f"{self.cloud}/{name}" for name in self.names]

    @property
    def prefixes(self) -> dict[str, str]:
        """Its original URLs and the mirror's."""
        return {name: self.urls[position] for position, name in enumerate(channel_urls(self.names))}

    def lacking(self, platforms: Iterable[str]) -> list[str]:
        """Return those of the platforms that it is not carried for."""
        return [] if self.platforms is None else [one for one in platforms if one not in self.platforms]


@dataclass(frozen=True)
class Mirror:
    """A site that answers in place of conda's own."""

    name: str
    url: str
    #: Anaconda's own channels below ``url/pkgs``; None for a site that is Anaconda's as a whole.
    pkgs: tuple[str, ...] | None = None
    #: The other channels; None where all of them stay where conda looks by itself.
    channels: Mapping[str, Carried] | None = None
    #: The base of the names of all other channels, of a mirror that has every one.
    every: str = ""
    installers: Mapping[str, str] = field(default_factory=dict)
    pip_index: str = ""
    notes: str = ""

    @property
    def default_channels(self) -> list[str]:
        """What ``defaults`` stands for, as URLs."""
        found = self.carried("defaults")
        return found.urls if found else []

    def carried(self, channel: str) -> Carried | None:
        """Return what the mirror has of a channel, None where it has nothing."""
        if channel == "defaults" or channel.startswith("pkgs/"):
            names = [name for name in _names_of(channel) if self.pkgs is None or name.partition("/")[2] in self.pkgs]
            return Carried(self.url, tuple(names)) if names else None
        return Carried(self.every or ALIAS, (channel,)) if self.channels is None else self.channels.get(channel)

    def prefixes(self, platforms: Sequence[str]) -> dict[str, str]:
        """Return the prefixes of original URLs and the mirror's, for all it carries on all of these platforms."""
        if self.pkgs is None:
            found = {ANACONDA: self.url}
        else:
            found = {f"{ANACONDA}/pkgs/{name}": f"{self.url}/pkgs/{name}" for name in self.pkgs}
        if self.every:
            found[ALIAS] = self.every
        for carried in (self.channels or {}).values():
            found.update({} if carried.lacking(platforms) else carried.prefixes)
        return found


def mirror_of(value: Any) -> Mirror:
    """Return the mirror that a site variable means.

    Parameters
    ----------
    value
        A known mirror's name, the base URL of one that is laid out like Anaconda's, a mapping with ``url``, or a list
        of these, whose first counts.

    Raises
    ------
    EvenkeelError
        The value is none of these, or the list is empty.
    """
    if isinstance(value, Mirror):
        return value
    if isinstance(value, (list, tuple)):
        _require_one(value)
        return mirror_of(value[0])
    if isinstance(value, Mapping):
        return _custom(value)
    if isinstance(value, str) and "://" in value:
        return _custom({"url": value})
    if not isinstance(value, str) or value not in presets():
        raise EvenkeelError(
            f"There is no mirror {without_user(value)!r}",
            f"Known: {', '.join(presets())}; or write the base URL of your own, or a mapping that holds its url",
        )
    return presets()[value]


def answer(
    mirror: Any,
    channels: Sequence[str] = (),
    platforms: Sequence[str] = ("linux-64",),
    elsewhere: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what follows from a mirror for nodes that use it: their channels, installers and index.

    Parameters
    ----------
    mirror
        See ``mirror_of``.
    channels
        The channels that are asked for.
    platforms
        conda's names of the nodes' platforms.
    elsewhere
        By channel, the mirror that it comes from instead, or the base URL that its name is appended to.

    Raises
    ------
    EvenkeelError
        A mirror is unknown, or lacks a channel on one of the platforms.
    """
    chosen, others = mirror_of(mirror), _elsewhere(elsewhere or {}, platforms)
    asked = [channel for channel in channels if channel not in others and "://" not in channel]
    places = {channel: _require(chosen, channel, platforms) for channel in asked} | others
    defaults = others["defaults"].urls if "defaults" in others else chosen.default_channels
    prefixes = {original: place for original, place in chosen.prefixes(platforms).items() if original != place}
    for carried in others.values():
        prefixes.update(carried.prefixes)
    return {
        "name": chosen.name,
        "url": chosen.url,
        "channels": list(channels),
        "default_channels": defaults,
        "custom_channels": {
            channel: carried.cloud
            for channel, carried in places.items()
            if channel != "defaults" and carried.cloud != ALIAS and not set(carried.urls) <= set(defaults)
        },
        "prefixes": prefixes,
        "installers": dict(chosen.installers),
        "pip_index": chosen.pip_index,
        "repodata": [
            f"{url}/{subdir}/repodata.json"
            for channel in asked
            for url in places[channel].urls
            for subdir in (*platforms, "noarch")
        ],
        "notes": chosen.notes,
    }


def candidates(
    values: Sequence[Any], channels: Sequence[str], platforms: Sequence[str], elsewhere: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the answer for each of several mirrors; for one that lacks a channel its name and the problem.

    Raises
    ------
    EvenkeelError
        A mirror is unknown, or none is named.
    """
    _require_one(values)
    mirrors = [mirror_of(value) for value in values]
    _elsewhere(elsewhere or {}, platforms)
    return [_candidate(mirror, channels, platforms, elsewhere) for mirror in mirrors]


@cache
def presets() -> dict[str, Mirror]:
    """Return the mirrors that are known, by name."""
    return {name: _mirror(name, fields) for name, fields in read_mapping(DATA).items()}


def all_prefixes(platforms: Sequence[str]) -> list[tuple[str, str]]:
    """Return the prefixes of original URLs and those of each known mirror that carries them."""
    return [pair for mirror in presets().values() for pair in mirror.prefixes(platforms).items()]


def _candidate(
    mirror: Mirror, channels: Sequence[str], platforms: Sequence[str], elsewhere: Mapping[str, Any] | None
) -> dict[str, Any]:
    try:
        return answer(mirror, channels, platforms, elsewhere)
    except EvenkeelError as error:
        return {"name": mirror.name, "url": mirror.url, "problem": error.what}


def _custom(fields: Mapping[str, Any]) -> Mirror:
    """Return the mirror that a user's mapping describes."""
    if "host" in fields:
        return _of_site(fields)
    unknown = sorted(str(key) for key in fields if key not in CUSTOM_KEYS)
    if unknown:
        raise EvenkeelError(f"A mirror has the unknown keys {', '.join(unknown)}", f"Known: {', '.join(CUSTOM_KEYS)}")
    url = _url(fields.get("url"), "A mirror's url")
    return _mirror(str(fields.get("name") or without_credentials(url)), {"miniconda": f"{url}/miniconda", **fields})


def site_url(fields: Mapping[str, Any]) -> str:
    """Return the base URL of a package mirror of the site's own.

    Raises
    ------
    EvenkeelError
        Its host or its port is none.
    """
    host, scheme = str(fields["host"]), "https" if fields.get("tls") else "http"
    port = fields.get("port") or PORTS[scheme]
    if not _HOST.fullmatch(host) or not str(port).isdecimal():
        raise EvenkeelError(
            f"The mirror's host is {without_user(host)!r} and its port {port!r}",
            "Write a name or an address, and a number: evenkeel_mirror: {host: mirror.example.com, port: 8008}",
        )
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _of_site(fields: Mapping[str, Any]) -> Mirror:
    unknown = sorted(str(key) for key in fields if key not in SITE_KEYS)
    if unknown:
        raise EvenkeelError(
            f"A mirror that is named by its host has the unknown keys {', '.join(unknown)}",
            f"Known: {', '.join(SITE_KEYS)}",
        )
    url = site_url(fields)
    index = fields.get("pip_index", f"{url}/{PIP}/simple/")
    return Mirror(
        name=str(fields.get("name") or fields["host"]),
        url=f"{url}/{SITE}",
        every=f"{url}/{CLOUD}",
        installers={"miniconda": f"{url}/{SITE}/miniconda", "miniforge": f"{url}/{MINIFORGE}"},
        pip_index=_url(index, f"pip_index of the mirror {fields['host']}") if index else "",
        notes=str(fields.get("notes") or ""),
    )


def _mirror(name: str, fields: Mapping[str, Any]) -> Mirror:
    """Return the mirror that a mapping of known keys describes."""
    url = _url(fields.get("url"), f"The url of the mirror {name}")
    cloud = str(fields.get("cloud", "cloud")).strip("/")
    pkgs, channels = fields.get("pkgs"), fields.get("channels")
    if pkgs is not None:
        pkgs = tuple(_names(pkgs, f"pkgs of the mirror {name}"))
    if channels is not None:
        channels = _channels(channels, cloud if "://" in cloud else f"{url}/{cloud}".rstrip("/"), name)
    installers = {kind: fields.get(kind) or "" for kind in ("miniconda", "miniforge")}
    return Mirror(
        name=name,
        url=url,
        pkgs=pkgs,
        channels=channels,
        installers={kind: _url(place, f"{kind} of the mirror {name}") for kind, place in installers.items() if place},
        pip_index=_url(fields["pip_index"], f"pip_index of the mirror {name}") if fields.get("pip_index") else "",
        notes=str(fields.get("notes") or ""),
    )


def _channels(value: Any, cloud: str, mirror: str) -> dict[str, Carried]:
    """Return the channels of a list of names, or of a mapping of names to platforms."""
    what = f"channels of the mirror {mirror}"
    if not isinstance(value, Mapping):
        return {name: Carried(cloud, (name,)) for name in _names(value, what)}
    found = {}
    for name, described in value.items():
        own = described if isinstance(described, Mapping) else {"platforms": described}
        if set(own) - {"cloud", "platforms"}:
            raise EvenkeelError(f"{what} describes {name} by {described!r}", "Known: cloud, platforms")
        platforms = own.get("platforms")
        found[str(name)] = Carried(
            _url(own["cloud"], f"{what}: the cloud of {name}") if "cloud" in own else cloud,
            (str(name),),
            None if platforms is None else frozenset(_names(platforms, f"{what}: {name}")),
        )
    return found


def _elsewhere(value: Mapping[str, Any], platforms: Sequence[str]) -> dict[str, Carried]:
    """Return where the channels are that are not asked of the mirror."""
    found = {}
    for channel, place in value.items():
        if isinstance(place, str) and "://" in place:
            found[channel] = Carried(_url(place, f"The place of {channel}"), _names_of(channel))
        else:
            found[channel] = _require(mirror_of(place), channel, platforms)
    return found


def _require(mirror: Mirror, channel: str, platforms: Sequence[str]) -> Carried:
    """Return what the mirror has of the channel; raise where it lacks it for one of the platforms."""
    carried = mirror.carried(channel)
    lacking = carried.lacking(platforms) if carried else []
    if carried and not lacking:
        return carried
    having = [
        one.name
        for one in presets().values()
        if one.name != mirror.name and (found := one.carried(channel)) and not found.lacking(platforms)
    ]
    raise EvenkeelError(
        f"The mirror {mirror.name} does not carry the channel {channel}"
        + (f" for {', '.join(lacking)}" if lacking else ""),
        f"These do: {', '.join(having)}; choose one of them for all channels, or for this one alone, with"
        f" condarc_channel_mirrors: {{{channel}: {having[-1]}}}"
        if having
        else f"No known mirror does; set the base URL of one with condarc_channel_mirrors: {{{channel}: URL}}",
    )


def _require_one(values: Sequence[Any]) -> None:
    if not values:
        raise EvenkeelError("The list of mirrors is empty", "Name one, or leave it out for Anaconda's own site")


def _names_of(channel: str) -> tuple[str, ...]:
    """Return the names that a channel's name stands for."""
    return tuple(f"pkgs/{name}" for name in _DEFAULTS) if channel == "defaults" else (channel,)


def _names(value: Any, what: str) -> list[str]:
    if isinstance(value, (str, Mapping)) or not all(isinstance(name, str) and name for name in value or ()):
        raise EvenkeelError(f"{what} is {value!r}, which is not a list of names", "Write it as [name, name]")
    return [str(name) for name in value or ()]


def _url(value: Any, what: str) -> str:
    """Return a base URL without the slashes at its end."""
    if not isinstance(value, str) or not value.startswith(("https://", "http://", "file:///")):
        raise EvenkeelError(f"{what} is {without_user(value)!r}, which is not a URL", "Write it as https://HOST/PATH")
    return value.rstrip("/")
