# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""conda-lock.yml, in the format 1 of conda-lock: what was solved, to be reviewed and committed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import parsed, read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import (
    ANEW,
    check,
    conda_package,
    pip_package,
    require_fit_url,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.explicit_file import MARK
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import Mistakes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside, require_yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.unindexed import at_their_urls
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.variables import is_name, is_value
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.gpu_builds import gpu_builds

if TYPE_CHECKING:
    from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile

VERSION = 1
T = TypeVar("T")
_KINDS: Mapping[type, str] = {str: "text", dict: "keys and values", list: "a list"}
_PLATFORM = re.compile(r"[a-z0-9]+(-[a-z0-9_]+)?")
_OURS = "evenkeel"
_HEADER = """\
# Exact packages of {source}, locked by Evenkeel in the format of conda-lock. Do not edit: change {source}
# and lock it anew. All packages, or only some of them, to the newest that fit:
#     ansible-playbook playbooks/lock.yml -e lock_env={name}
#     ansible-playbook playbooks/lock.yml -e lock_env={name} -e lock_update=numpy,pandas
"""


@dataclass(frozen=True)
class Lock:
    """The exact packages of one environment on each of its platforms."""

    #: URLs, in order of priority.
    channels: tuple[str, ...]
    #: Names of the files that it was made from.
    sources: tuple[str, ...]
    #: By platform.
    packages: Mapping[str, tuple[Package, ...]]
    #: By platform: what was asked, as one hash.
    content_hash: Mapping[str, str]
    #: By platform, name to version: what the solver assumed of the nodes; None in locks of other programs.
    virtual_packages: Mapping[str, Mapping[str, str]] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    #: SHA-256 of the sources, where the program that locked has it.
    inputs: Mapping[str, str] = field(default_factory=dict)
    #: By its SHA-256, how each wheel was made that was built for the lock.
    built: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def cuda(self, platform: str) -> str:
        """Return the CUDA version that the solver assumed of the nodes; empty for none."""
        return (self.virtual_packages or {}).get(platform, {}).get("__cuda", "")


def content_hash(environment: EnvironmentFile, platform: str, virtual_packages: Mapping[str, str]) -> str:
    """Return one hash of all that an answer depends on besides the channels' state; its spelling does not count."""
    return _hash(environment.on(platform).meaning, environment, platform, virtual_packages)


def earlier_hashes(environment: EnvironmentFile, platform: str, virtual_packages: Mapping[str, str]) -> tuple[str, ...]:
    """Return what locks of earlier versions have as the hash, for which more of the spelling counts."""
    asked = environment.on(platform)
    return tuple(_hash(spelled, environment, platform, virtual_packages) for spelled in (asked.respaced, asked.request))


def _hash(
    asked: Mapping[str, list[str]], environment: EnvironmentFile, platform: str, virtual_packages: Mapping[str, str]
) -> str:
    on = {"platform": platform, "variables": dict(environment.variables), "virtual_packages": dict(virtual_packages)}
    return hashlib.sha256(json.dumps({**asked, **on}, sort_keys=True).encode()).hexdigest()


def render(lock: Lock, name: str) -> str:
    """Return the text of the lock of the environment ``name``; equal locks have the same text."""
    metadata: dict[str, Any] = {
        "content_hash": dict(sorted(lock.content_hash.items())),
        "channels": [{"url": url, "used_env_vars": []} for url in lock.channels],
        "platforms": sorted(lock.packages),
        "sources": list(lock.sources),
        "custom_metadata": {
            f"{_OURS}-digest": json.dumps({key: digest(found) for key, found in sorted(lock.packages.items())}),
            f"{_OURS}-variables": json.dumps(dict(lock.variables), sort_keys=True),
            f"{_OURS}-sizes": json.dumps({key: _sizes(found) for key, found in sorted(lock.packages.items())}),
        },
    }
    if lock.virtual_packages is not None:
        metadata["custom_metadata"][f"{_OURS}-virtual-packages"] = json.dumps(lock.virtual_packages, sort_keys=True)
    if builds := {key: of_gpus for key, found in sorted(lock.packages.items()) if (of_gpus := gpu_builds_of(found))}:
        metadata["custom_metadata"][f"{_OURS}-gpu-builds"] = json.dumps(builds)
    if indexes := {key: found_at for key, found in sorted(lock.packages.items()) if (found_at := _indexes(found))}:
        metadata["custom_metadata"][f"{_OURS}-indexes"] = json.dumps(indexes)
    if lock.built:
        metadata["custom_metadata"][f"{_OURS}-built"] = json.dumps(lock.built, sort_keys=True)
    entries = sorted(
        (package.name, package.manager, platform, package)
        for platform, packages in lock.packages.items()
        for package in packages
    )
    content = {
        "version": VERSION,
        "metadata": metadata,
        "package": [_entry(package, platform) for _unused, _unused, platform, package in entries],
    }
    header = _HEADER.format(source=" ".join(lock.sources), name=name)
    return header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def read(path: Path) -> Lock:
    """Return what a lock holds, ours or conda-lock's own.

    Packages that conda-lock keeps for other groups than ``main`` are left out, as its ``install`` does not need them.

    Raises
    ------
    EvenkeelError
        It is no lock, malformed or of an unknown version, or holds a package twice, without a hash or without a fixed
        content; or its packages are not those that were locked.
    """
    require_yaml(path)
    text = read_text(path)
    if MARK in text.splitlines():
        raise EvenkeelError(f"{path} is an explicit file, not a lock", "Name it as explicit, instead of lock")
    content = parsed(path, text)
    if "version" not in content:
        beside = lock_beside(path)
        locking = "Lock the environment with Evenkeel's playbook lock.yml, and name the conda-lock.yml that it writes"
        raise EvenkeelError(
            f"{path} is no lock in conda-lock's format", f"Name its lock, {beside}" if beside.is_file() else locking
        )
    if content["version"] != VERSION:
        raise EvenkeelError(
            f"{path}: version is {content['version']!r}, and only {VERSION} of conda-lock's format is known", ANEW
        )
    try:
        metadata = _as(dict, content["metadata"], "metadata is")
        lock = _lock(path, metadata, _as(list, content["package"], "package is"))
        digests = _ours(metadata, "digest") or {}
    except KeyError as error:
        raise _malformed(path, f"there is no {error}") from None
    except (TypeError, AttributeError):
        raise _malformed(path, "a value is of another kind than its key's") from None
    except ValueError as error:
        raise _malformed(path, str(error)) from None
    for platform, expected in digests.items():
        if digest(lock.packages.get(platform, ())) != expected:
            raise EvenkeelError(
                f"{path}: the packages of {platform} are not those that were locked; the file was edited",
                "Restore it from version control, or remove it and lock again",
            )
    if digests:
        return lock
    return replace(lock, packages={platform: at_their_urls(found) for platform, found in lock.packages.items()})


def packages_for(lock: Lock, platform: str, path: Path) -> tuple[Package, ...]:
    """Return the packages of one platform.

    Raises
    ------
    EvenkeelError
        The lock is for other platforms, or has no packages.
    """
    if platform not in lock.packages:
        raise EvenkeelError(
            f"{path} is for {', '.join(sorted(lock.packages)) or 'no platform'}, not for {platform}",
            f"Lock again with {platform} among the platforms",
        )
    if not lock.packages[platform]:
        raise EvenkeelError(
            f"{path} has no packages for {platform}; only those of conda-lock's category main count",
            "Lock a file that names what the environment must contain",
        )
    return lock.packages[platform]


def _malformed(path: Path, what: str) -> EvenkeelError:
    return EvenkeelError(f"{path} is malformed: {what}", "Restore it from version control, or lock again")


def _as(kind: type[T], value: object, what: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{what} {'empty' if value is None else repr(value)}, which is not {_KINDS[kind]}")
    return value


def _lock(path: Path, metadata: Mapping[str, Any], entries: list[Any]) -> Lock:
    platforms = _as(list, metadata["platforms"], "metadata.platforms is")
    packages: dict[str, list[Package]] = {_platform(platform): [] for platform in platforms}
    sizes, indexes = _ours(metadata, "sizes") or {}, _ours(metadata, "indexes") or {}
    mistakes = Mistakes(path)
    for entry in (_as(dict, entry, "package holds") for entry in entries):
        if entry.get("category", "main") != "main":
            continue
        with mistakes.collected():
            if entry["platform"] not in packages:
                raise ValueError(f"{entry['name']} is for {entry['platform']}, which is not among the platforms")
            package = _package(path, entry)
            size = sizes.get(entry["platform"], {}).get(package.manager, {}).get(package.name, 0)
            index = indexes.get(entry["platform"], {}).get(package.name, "") if package.manager == PIP else ""
            require_fit_url(path, index)
            packages[entry["platform"]].append(replace(package, size=_size(size), index=index))
    channels = tuple(map(_url, _as(list, metadata["channels"], "metadata.channels is")))
    for channel in channels:
        with mistakes.collected():
            require_fit_url(path, channel)
    mistakes.require_none()
    return Lock(
        channels=channels,
        sources=tuple(metadata["sources"]),
        packages={platform: check(path, found) for platform, found in packages.items()},
        content_hash=dict(metadata["content_hash"]),
        virtual_packages=_versions(_ours(metadata, "virtual-packages")),
        variables=_variables(path, _ours(metadata, "variables") or {}),
        inputs={
            source: hashes["sha256"]
            for source, hashes in (metadata.get("inputs_metadata") or {}).items()
            if hashes.get("sha256")
        },
        built=_ours(metadata, "built") or {},
    )


def _variables(path: Path, found: Mapping[str, Any]) -> dict[str, str]:
    for name, value in found.items():
        if not is_name(name) or not is_value(value):
            raise EvenkeelError(
                f"{path}: {_OURS}-variables sets {name!r} to {value!r}, which no variable can have", ANEW
            )
    return dict(found)


def _versions(found: Mapping[str, Any] | None) -> Mapping[str, Mapping[str, str]] | None:
    for versions in (found or {}).values():
        if not isinstance(versions, dict) or not all(isinstance(version, str) for version in versions.values()):
            raise ValueError(f"{versions!r} is no mapping of virtual packages to versions; the file was edited")
    return found


def _platform(name: Any) -> str:
    """Return a platform's name, of which that of an explicit file is made."""
    if not isinstance(name, str) or not _PLATFORM.fullmatch(name):
        raise ValueError(f"{name!r} is no platform")
    return name


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no size in bytes; the file was edited")
    return value


def _sizes(packages: Iterable[Package]) -> dict[str, dict[str, int]]:
    """Return the sizes of the archives, by manager and name; the format has no other place for them."""
    found: dict[str, dict[str, int]] = {}
    for package in sorted(packages):
        if package.size:
            found.setdefault(package.manager, {})[package.name] = package.size
    return found


def _indexes(packages: Iterable[Package]) -> dict[str, str]:
    """Return the indexes that pip's packages are pinned to, by name."""
    return {package.name: package.index for package in sorted(packages) if package.manager == PIP and package.index}


def gpu_builds_of(packages: Iterable[Package]) -> list[str]:
    """Return the builds for GPUs, such as ``pytorch 2.5.1 cuda126_py311``."""
    return [" ".join(filter(None, (one.name, one.version, one.build))) for one in gpu_builds(packages)]


def _url(channel: str | Mapping[str, Any]) -> str:
    return channel if isinstance(channel, str) else _as(str, channel["url"], "the URL of a channel is")


def _ours(metadata: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    text = (metadata.get("custom_metadata") or {}).get(f"{_OURS}-{key}")
    try:
        return None if text is None else dict(json.loads(text))
    except (ValueError, RecursionError):
        raise ValueError(f"{_OURS}-{key} holds no keys and values in JSON; the file was edited") from None


def _entry(package: Package, platform: str) -> dict[str, Any]:
    hashes = {"md5": package.md5, "sha256": package.sha256}
    return {
        "name": package.name,
        "version": package.version,
        "manager": package.manager,
        "platform": platform,
        "dependencies": _dependencies(package.depends),
        "url": package.url,
        "hash": {kind: value for kind, value in hashes.items() if value},
        "category": "main",
        "optional": False,
    }


def _dependencies(depends: Iterable[str]) -> dict[str, str]:
    """Return name to constraint, joined where conda names a package more than once."""
    found: dict[str, list[str]] = {}
    for text in sorted(depends):
        name = re.split(r"[^\w.-]", text, maxsplit=1)[0]
        found.setdefault(name, []).append(text[len(name) :].strip())
    return {name: ",".join(filter(None, constraints)) for name, constraints in found.items()}


def _package(path: Path, entry: Mapping[str, Any]) -> Package:
    name = _as(str, entry["name"], "name of a package is")
    version, url = (_as(str, entry[key], f"{key} of {name} is") for key in ("version", "url"))
    hashes = _as(dict, entry["hash"], f"hash of {name} is")
    md5, sha256 = (_as(str, hashes.get(kind) or "", f"hash.{kind} of {name} is") for kind in ("md5", "sha256"))
    needed = _as(dict, entry.get("dependencies", {}), f"dependencies of {name} is")
    depends = tuple(f"{other} {constraint}".strip() for other, constraint in needed.items())
    if entry["manager"] == PIP:
        return pip_package(path, name, version, url, sha256, depends)
    if entry["manager"] != CONDA:
        raise ValueError(f"{name} is of {entry['manager']!r}, neither conda's nor pip's")
    return conda_package(path, url, md5, sha256, entry["platform"], depends)
