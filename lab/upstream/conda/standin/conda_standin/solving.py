# SPDX-License-Identifier: GPL-3.0-or-later
"""Solving with py-rattler, and conda's names for what can go wrong."""

from __future__ import annotations

import errno
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import rattler
from rattler.exceptions import GatewayError, InvalidMatchSpecError, SolverError

from . import VERSION
from .channels import Channel
from .condarc import Settings
from .errors import (
    CondaError,
    CondaHTTPError,
    InvalidMatchSpec,
    PackagesNotFoundInChannelsError,
    RattlerUnsatisfiableError,
    UnavailableInvalidChannel,
)

PRIORITIES = {"strict": rattler.ChannelPriority.Strict, "flexible": rattler.ChannelPriority.Strict}


class Index:
    """The packages of some channels."""

    def __init__(self, channels: Sequence[Channel], settings: Settings, cache: Path) -> None:
        self.channels = channels
        self.settings = settings
        self.urls = [channel.base_url for channel in channels]
        self._platforms = [rattler.Subdir(settings.subdir), rattler.Subdir("noarch")]
        offline = bool(settings.value("offline"))
        self._gateway = rattler.Gateway(
            cache_dir=cache,
            default_config=rattler.SourceConfig(
                sharded_enabled=bool(settings.value("repodata_use_shards")),
                zstd_enabled=bool(settings.value("repodata_use_zst")),
                cache_action="force-cache-only" if offline else "cache-or-fetch",
            ),
        )

    async def solve(
        self, specs: Sequence[str], asked: Sequence[str], locked: Sequence[rattler.RepoDataRecord]
    ) -> list[rattler.RepoDataRecord]:
        """Return what an environment with ``specs`` consists of.

        Parameters
        ----------
        asked
            Those of ``specs`` that this command names.
        locked
            What is installed, to be kept where it can be.
        """
        try:
            return await rattler.solve(
                sources=self.urls,
                specs=[rattler.MatchSpec(spec) for spec in specs],
                gateway=self._gateway,
                platforms=self._platforms,
                # Without channels conda's solver offers nothing, not even what is installed.
                locked_packages=locked if self.urls else [],
                virtual_packages=virtual_packages(),
                channel_priority=PRIORITIES.get(
                    str(self.settings.value("channel_priority")), rattler.ChannelPriority.Disabled
                ),
                add_pip_as_python_dependency=bool(self.settings.value("add_pip_as_python_dependency")),
            )
        except InvalidMatchSpecError as error:
            raise InvalidMatchSpec(str(error)) from error
        except GatewayError as error:
            raise self._channel_error(error) from error
        except SolverError as error:
            missing = [spec for spec in asked if not await self._offers(spec)]
            if missing:
                channels = [channel.as_json() for channel in self.channels]
                raise PackagesNotFoundInChannelsError(missing, self.urls, channels) from error
            raise RattlerUnsatisfiableError(str(error)) from error

    async def _offers(self, spec: str) -> bool:
        wanted = rattler.MatchSpec(spec)
        found = await self._gateway.query(self.urls, self._platforms, [wanted], recursive=False)
        return any(record.matches(wanted) for records in found for record in records)

    def _channel_error(self, error: GatewayError) -> CondaError:
        """Ask each channel once more to find which one fails, and how."""
        for channel in self.channels:
            if failure := failure_of(channel):
                return failure
        return CondaError(str(error))


def failure_of(channel: Channel) -> CondaError | None:
    """Return why ``channel`` can't be used, or None."""
    url = f"{channel.base_url}/noarch/repodata.json"
    name = channel.name.rpartition("/")[2] or channel.name
    if channel.scheme == "file":
        path = Path(unquote(urlsplit(url).path))
        if path.is_file():
            return None
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        body = {"error": "file does not exist", "exception": repr(missing), "path": str(path)}
        details = "\n<<FILE 404 None\n< Elapsed: 00:00.000000\n\n"
        return UnavailableInvalidChannel(name, channel.base_url, 404, "UNAVAILABLE OR INVALID", details, body)
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - a channel's own scheme
            json.load(answer)
    except urllib.error.HTTPError as error:
        reason = error.reason.upper()
        return UnavailableInvalidChannel(channel.name, channel.base_url, error.code, reason, "", {})
    except OSError:
        return CondaHTTPError(url, "000", "CONNECTION FAILED")
    except ValueError as error:
        return CondaError(f"The index of channel {channel.base_url} is no JSON: {error}")
    return None


def virtual_packages() -> list[rattler.GenericVirtualPackage]:
    """Return what the machine offers, and the version of conda that answers."""
    overrides = rattler.VirtualPackageOverrides.from_env()
    detected = [package.into_generic() for package in rattler.VirtualPackage.detect(overrides)]
    conda = rattler.GenericVirtualPackage(
        rattler.PackageName("__conda"), rattler.Version(VERSION), rattler.BuildString("0")
    )
    return sorted([*detected, conda], key=lambda package: package.name.normalized)
