# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: condarc files, ``CONDA_*`` variables and the command line, merged as conda merges them."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from .channels import Channel, Channels
from .errors import ConfigurationLoadError, InvalidTypeError, MultipleKeysError
from .parameters import ALIASES, DEFAULTS, DELIMITERS

SYSTEM_FOLDERS = (Path("/etc/conda"), Path("/var/lib/conda"))
FINAL = re.compile(r"^(\w+)\s*:.*#\s*!final\b", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """What one file, the environment or the command line sets."""

    name: str
    values: Mapping[str, Any]
    final: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Settings:
    """The values in effect.

    Parameters
    ----------
    sources
        Lowest priority first.
    """

    sources: tuple[Source, ...]
    root_prefix: Path
    home: Path
    flags: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """Return the merged value of the parameter ``name``, in the form that condarc files use."""
        default = DEFAULTS[name]
        given = [source for source in self.sources if name in source.values]
        for position, source in enumerate(given):
            if name in source.final:
                given = given[: position + 1]
        values = [source.values[name] for source in given]
        if isinstance(default, list):
            return (
                list(dict.fromkeys(element for value in reversed(values) for element in value)) if values else default
            )
        if isinstance(default, dict):
            return {key: element for value in (default, *values) for key, element in value.items()}
        return values[-1] if values else default

    @cached_property
    def root_writable(self) -> bool:
        """Whether this user may change the base environment."""
        return os.access(self.root_prefix / "conda-meta" / "history", os.W_OK)

    @cached_property
    def envs_dirs(self) -> list[Path]:
        """Folders of environments, those to prefer first."""
        shared, own = self.root_prefix / "envs", self.home / ".conda" / "envs"
        fixed = [shared, own] if self.root_writable else [own, shared]
        return list(dict.fromkeys([*map(self.expanded, self.value("envs_dirs")), *fixed]))

    @cached_property
    def pkgs_dirs(self) -> list[Path]:
        """Package caches, those to prefer first."""
        given = [self.expanded(text) for text in self.value("pkgs_dirs")]
        return list(dict.fromkeys(given or [self.root_prefix / "pkgs", self.home / ".conda" / "pkgs"]))

    @cached_property
    def channels(self) -> Channels:
        """What channel names mean here."""
        return Channels.configured(
            alias=self.value("channel_alias"),
            default_channels=self.value("default_channels"),
            custom_channels=self.value("custom_channels"),
            custom_multichannels=self.value("custom_multichannels"),
        )

    @property
    def subdir(self) -> str:
        """The platform that packages are installed for."""
        machine = {"x86_64": "64"}.get(platform.machine(), platform.machine())
        return str(self.value("subdir")) or f"linux-{machine}"

    def expanded(self, text: str) -> Path:
        """Return the path that ``text`` names, with ``~`` and variables filled in."""
        filled = os.path.expandvars(text)
        if filled.startswith("~/"):
            filled = str(self.home / filled[2:])
        return Path(os.path.abspath(filled))  # noqa: PTH100 - keeps symbolic links as they are named

    def effective(self) -> dict[str, Any]:
        """Return all parameters as ``conda config --show --json`` shows them."""
        subdirs = self.value("subdirs") or [self.subdir, "noarch"]
        shown = {name: self.value(name) for name in DEFAULTS}
        shown |= {
            "channel_alias": self.channels.alias.as_json(),
            "console": "json" if self.flags.get("json") else "classic",
            "croot": str(self.root_prefix / "conda-bld" if self.root_writable else self.home / "conda-bld"),
            "custom_channels": {name: channel.as_json() for name, channel in sorted(self.channels.custom.items())},
            "custom_multichannels": {
                name: [channel.as_json() for channel in group] for name, group in self.channels.groups.items()
            },
            "default_channels": [channel.as_json() for channel in self.channels.groups["defaults"]],
            "default_python": self.value("default_python") or f"{sys.version_info.major}.{sys.version_info.minor}",
            "envs_dirs": [str(folder) for folder in self.envs_dirs],
            "export_platforms": self.value("export_platforms") or [self.subdir],
            "json": bool(self.flags.get("json")),
            "pkgs_dirs": [str(folder) for folder in self.pkgs_dirs],
            "root_prefix": str(self.root_prefix),
            "subdir": self.subdir,
            "subdirs": subdirs,
        }
        return dict(sorted(shown.items()))

    def requested_channels(self) -> list[Channel]:
        """Return the channels to look in, best first."""
        override = self.flags.get("override_channels")
        names = self.sources[-1].values.get("channels", []) if override else self.value("channels")
        return list(dict.fromkeys(channel for name in names for channel in self.channels.named(str(name))))


def search_path(root_prefix: Path, home: Path, prefix: Path | None, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the condarc files to read, lowest priority first, whether they exist or not."""
    folders = [*SYSTEM_FOLDERS, root_prefix]
    if xdg := environ.get("XDG_CONFIG_HOME"):
        folders.append(Path(xdg) / "conda")
    for folder in (*folders, home / ".config" / "conda", home / ".conda"):
        yield from condarc_files(folder)
    yield home / ".condarc"
    if prefix:
        yield from condarc_files(prefix)
    if named := environ.get("CONDARC"):
        yield Path(named)


def condarc_files(folder: Path) -> Iterator[Path]:
    """Yield the condarc files of one folder."""
    yield folder / ".condarc"
    yield folder / "condarc"
    parts = folder / "condarc.d"
    if parts.is_dir():
        yield from sorted(path for path in parts.iterdir() if path.suffix in (".yml", ".yaml"))


def read(path: Path) -> Source:
    """Read one condarc file.

    Raises
    ------
    CondaError
        It is no YAML mapping, gives one parameter twice, or gives a value of a wrong type.
    """
    try:
        text = path.read_text()
        document = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationLoadError(f"Unable to load configuration file.\n  path: {path}\n  {error}\n") from error
    if not isinstance(document, dict):
        raise ConfigurationLoadError(f"Unable to load configuration file.\n  path: {path}\n  it is no mapping\n")
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = ALIASES.get(key, key)
        if name in values:
            raise MultipleKeysError(f"Multiple aliased keys in file {path}: {key} is another name of {name}.\n")
        if name in DEFAULTS and value is not None:
            values[name] = checked(name, value, path)
    final = frozenset(ALIASES.get(name, name) for name in FINAL.findall(text))
    return Source(str(path), values, final)


def checked(name: str, value: Any, source: object) -> Any:
    """Return ``value`` if the parameter ``name`` may have one of its kind."""
    default = DEFAULTS[name]
    for kind in (list, dict):
        if isinstance(default, kind) != isinstance(value, kind):
            raise InvalidTypeError(
                f"Parameter {name} = {value!r} declared in {source} has type {type(value).__name__}.\n"
                f"Valid types:\n  - {type(default).__name__}\n"
            )
    if isinstance(default, bool) and not isinstance(value, bool | str):
        raise InvalidTypeError(f"Parameter {name} = {value!r} declared in {source} is not true or false.\n")
    return value


def from_environment(environ: Mapping[str, str]) -> Source:
    """Return what ``CONDA_*`` variables set."""
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        key = variable.removeprefix("CONDA_").lower()
        name = ALIASES.get(key, key)
        if not variable.startswith("CONDA_") or name not in DEFAULTS or not text:
            continue
        if isinstance(DEFAULTS[name], list):
            elements = text.split(DELIMITERS.get(name, ","))
            values[name] = [element.strip() for element in elements if element.strip()]
        elif not isinstance(DEFAULTS[name], dict):
            values[name] = yaml.safe_load(text) if not isinstance(DEFAULTS[name], str) else text
    return Source("envvars", values)


def load(
    environ: Mapping[str, str],
    prefix: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """Read all settings.

    Parameters
    ----------
    prefix
        The environment that the command is about; it may have a condarc file of its own.
    flags
        What only the command line can say, such as ``json``.
    given
        Parameters that the command line sets.
    """
    home = Path(environ.get("HOME") or "~").expanduser()
    root_prefix = Path(environ.get("CONDA_ROOT_PREFIX") or sys.prefix)
    active = environ.get("CONDA_PREFIX")
    paths = search_path(root_prefix, home, prefix or (Path(active) if active else None), environ)
    files = [read(path) for path in dict.fromkeys(paths) if path.is_file()]
    command_line = Source("cmd_line", given or {})
    return Settings((*files, from_environment(environ), command_line), root_prefix, home, flags or {})
