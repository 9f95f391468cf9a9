# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The environment.yml of an environment that was made by hand, so that every node can have it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, DEFAULTS, Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import match_spec
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import COMMIT_URL

_WHEEL = re.compile(r"https://[^@\s]+\.whl")
_HEADER = """\
# What {prefix} on {host} was made of, by its history. Review it before other nodes get it.
"""


@dataclass(frozen=True)
class Found:
    """An environment as a node has it."""

    host: str
    prefix: str
    #: conda's, with the channels' own URLs.
    conda: tuple[Package, ...]
    pip: tuple[Package, ...]
    #: What users asked conda for; empty when its history does not say.
    requested: tuple[str, ...]
    #: Names of conda's packages that a clone or an explicit file brought.
    copied: tuple[str, ...]
    variables: Mapping[str, str]
    #: URLs of the package indexes that pip's packages come from besides the configured one.
    indexes: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels' URLs, those of most packages first."""
        counted = Counter(map(channel_of, self.conda))
        return tuple(sorted(counted, key=lambda url: (-counted[url], url)))

    @property
    def dependencies(self) -> tuple[str, ...]:
        """What to ask conda for.

        What users asked for, where it still holds; of what was copied, or where nobody asked, what nothing else needs.
        """
        by_name = {package.name: package for package in self.conda}
        unasked = by_name if not self.requested else self.copied
        found = {one.name: f"{one.name}={one.version}" for one in roots(self.conda) if one.name in unasked}
        for text in self.requested:
            _unused, of_channel, spec = text.rpartition("::")
            package = by_name.get(match_spec(spec, Mirrors()).name.normalized)
            if package:
                asked = spec if holds(spec, package) else f"{package.name}={package.version}"
                # Only that node may know its channel by this name.
                found[package.name] = f"{short_names([channel_of(package)])[0]}::{asked}" if of_channel else asked
        return tuple(found[name] for name in sorted(found))

    @property
    def requirements(self) -> tuple[str, ...]:
        """What to ask pip for: every package, with its version, its commit or the URL of its wheel."""
        return tuple(
            f"{package.name} @ {package.url}" if package.url else f"{package.name}=={package.version}"
            for package in self.pip
        )


def found_on(host: str, environment: Mapping[str, Any], mirrors: Mirrors, indexes: Sequence[str] = ()) -> Found:
    """Return an environment from what the module conda_environment_info returned of it.

    Parameters
    ----------
    host, environment
        Where it is, and the module's result.
    mirrors
        All that the node may have used; the result has the channels' own URLs.
    indexes
        As of ``Found``.

    Raises
    ------
    EvenkeelError
        Something in it cannot be had from a channel or an index: a package without a URL, or a folder of that node.
    """
    packages = [from_mapping(fields) for fields in environment["packages"]]
    conda = [replace(one, url=mirrors.original(one.url)) for one in packages if one.manager != PIP]
    pip = [one for one in packages if one.manager == PIP]
    local = [one for one in conda if "://" not in one.url or one.url.startswith("file:")]
    local += [one for one in pip if one.url and not COMMIT_URL.fullmatch(one.url) and not _WHEEL.fullmatch(one.url)]
    if local:
        named = ", ".join(f"{one.name} ({one.url or 'no URL'})" for one in sorted(local))
        raise EvenkeelError(
            f"{environment['prefix']} on {host} holds what other nodes cannot get: {named}",
            "Publish it in a channel or an index, or remove it from the environment first",
        )
    return Found(
        host=host,
        prefix=environment["prefix"],
        conda=tuple(sorted(conda)),
        pip=tuple(sorted(pip)),
        requested=tuple(environment["requested"]),
        copied=tuple(environment["copied"]),
        variables=dict(environment["variables"]),
        indexes=tuple(indexes),
    )


def channel_of(package: Package) -> str:
    """Return the URL of a conda package's channel."""
    return package.url.rsplit("/", 2)[0]


def roots(packages: Sequence[Package]) -> list[Package]:
    """Return the packages that no other one needs."""
    needed = {re.split(r"[^\w.-]", text, maxsplit=1)[0] for package in packages for text in package.depends}
    return [package for package in sorted(packages) if package.name not in needed or package.name == "python"]


def holds(text: str, package: Package) -> bool:
    """Whether a package is what a specification asks for."""
    from rattler import BuildString, PackageRecord

    record = PackageRecord(
        name=package.name,
        version=package.version,
        build=BuildString(package.build),
        build_number=int(re.sub(r".*?(\d*)$", r"\1", package.build) or 0),
        subdir=package.url.rsplit("/", 2)[1],
    )
    return bool(match_spec(text, Mirrors()).matches(record))


def render(found: Found) -> str:
    """Return the text of an environment.yml."""
    dependencies: list[Any] = list(found.dependencies)
    if found.requirements:
        dependencies.append({"pip": [*(f"--extra-index-url {url}" for url in found.indexes), *found.requirements]})
    content: dict[str, Any] = {"channels": short_names(found.channels), "dependencies": dependencies}
    if found.variables:
        content["variables"] = dict(found.variables)
    header = _HEADER.format(prefix=found.prefix, host=found.host)
    return header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def short_names(urls: Iterable[str]) -> list[str]:
    """Return channels by the names that people use."""
    names = ["defaults" if url in DEFAULTS else url.removeprefix(f"{ALIAS}/") for url in urls]
    return list(dict.fromkeys(names))


def write_down(path: Path, found: Found) -> str:
    """Return the text for ``path``, or what is there already when it says the same.

    Raises
    ------
    EvenkeelError
        Another environment.yml is there.
    """
    text = render(found)
    if not path.exists():
        return text
    there = path.read_bytes().decode(errors="replace")
    if _without_comments(there) != _without_comments(text):
        raise EvenkeelError(
            f"{path} exists already with other content; it was left as it is",
            "Give the environment another name, or move that file away",
        )
    return there


def _without_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def understood(path: Path, text: str, found: Found) -> EnvironmentFile:
    """Return what the text of an environment.yml says that is going to be at ``path``.

    Raises
    ------
    EvenkeelError
        What the environment is made of can't be asked for.
    """
    try:
        return environment_file.from_text(path, text)
    except EvenkeelError as error:
        raise EvenkeelError(f"{found.prefix} on {found.host} can't be exported: {error.what}", error.remedy) from error
