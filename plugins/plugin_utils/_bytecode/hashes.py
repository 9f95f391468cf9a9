# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The file beside a lock with the hashes of the bytecode that was compiled for it, to be committed with the lock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import OPTIONS, Archive, Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import require_fit_url

FORMAT = 1
#: How the names of locks end, and those of these files.
_LOCK, _ENDING = "conda-lock.yml", "conda-bytecode.json"
_SHA256, _MAGIC, _TAG = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{8}"), re.compile(r"cpython-3\d+")
_MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class OfPlatform:
    """What was compiled of a lock for one platform."""

    #: The SHA-256 of the package of the Python that has compiled.
    python: str
    tag: str
    #: What its bytecode begins with, in hexadecimal digits.
    magic: str
    #: By the package's SHA-256; None where it has nothing to compile.
    archives: Mapping[str, Archive | None]
    #: For people, by the package's SHA-256.
    names: Mapping[str, str]

    def is_of(self, packages: Iterable[Package]) -> bool:
        """Whether the Python among packages has compiled it: another one's bytes may differ, even with its magic."""
        return self.python in {package.sha256 for package in packages}


@dataclass(frozen=True)
class Hashes:
    """What was compiled of a lock."""

    #: Where archives are: a URL, or a path relative to the folder of the file.
    store: str
    platforms: Mapping[str, OfPlatform] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The store's URL; empty where it is a directory of the control node."""
        return self.store if "://" in self.store else ""

    @property
    def archives(self) -> dict[str, Archive]:
        """All archives, by their hashes."""
        found = (archive for one in self.platforms.values() for archive in one.archives.values())
        return {archive.sha256: archive for archive in found if archive}

    def offer(self, platform: str, packages: Iterable[Package]) -> Offer | None:
        """Return what a node of a platform is offered of these packages; None where there is nothing."""
        packages = list(packages)
        of_platform = self.platforms.get(platform)
        if of_platform is None or not of_platform.is_of(packages):
            return None
        known = {package.sha256: of_platform.archives.get(package.sha256) for package in packages}
        archives = {package: archive for package, archive in known.items() if archive}
        return Offer(of_platform.tag, of_platform.magic, archives, self.url) if archives else None


def beside(lock: Path) -> Path | None:
    """Return where the hashes of a lock are, if it is compiled; None for a lock that is named otherwise.

    ``conda-bytecode.json`` for ``conda-lock.yml``, ``gpu.conda-bytecode.json`` for ``gpu.conda-lock.yml``.
    """
    return lock.with_name(lock.name.removesuffix(_LOCK) + _ENDING) if lock.name.endswith(_LOCK) else None


def in_folder(folder: Path) -> list[Path]:
    """Return the files of a folder that hold hashes of bytecode."""
    return sorted(folder.glob(f"*{_ENDING}"))


def outdated(lock: Path, packages: Mapping[str, Iterable[Package]]) -> list[str]:
    """Return a warning where what was compiled is of another Python than a lock has; none otherwise.

    Parameters
    ----------
    packages
        Of the lock, by platform.

    Raises
    ------
    EvenkeelError
        As of ``read``.
    """
    path = beside(lock)
    found = read(path) if path else None
    if path is None or found is None:
        return []
    others = [
        name for name, one in sorted(found.platforms.items()) if name in packages and not one.is_of(packages[name])
    ]
    if not others:
        return []
    what = (
        f"{path} was compiled by another Python than its lock has, for {', '.join(others)}, so nodes compile themselves"
    )
    return [str(EvenkeelError(what, "Run compile.yml, and commit the file with the lock"))]


def render(hashes: Hashes) -> str:
    """Return the text of the file, with a line for each package."""
    platforms = []
    for name, one in sorted(hashes.platforms.items()):
        entries = [
            {"package": one.names[package], "sha256": package, **_fields(one.archives[package])}
            for package in sorted(one.archives, key=lambda package: (one.names[package], package))
        ]
        lines = ",\n".join(f"        {json.dumps(entry)}" for entry in entries)
        head = {"python": one.python, "tag": one.tag, "magic": one.magic, "options": OPTIONS}
        fields = "".join(f"      {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
        platforms.append(f'    {json.dumps(name)}: {{\n{fields}      "packages": [\n{lines}\n      ]\n    }}')
    joined = ",\n".join(platforms)
    return f'{{\n  "format": {FORMAT},\n  "store": {json.dumps(hashes.store)},\n  "platforms": {{\n{joined}\n  }}\n}}\n'


def read(path: Path) -> Hashes | None:
    """Return what a file holds; None where there is none.

    Raises
    ------
    EvenkeelError
        It is malformed, or a newer Evenkeel has written it.
    """
    return parse(path, read_text(path)) if path.exists() else None


def parse(path: Path, text: str) -> Hashes:
    """Return what the text of a file means.

    Raises
    ------
    EvenkeelError
        As of ``read``.
    """
    try:
        content = json.loads(text)
        require_known(str(path), content, FORMAT)
        store = content["store"]
        if not isinstance(store, str) or not store:
            raise ValueError(f"the store is {store!r}")
        if "://" in store:
            require_fit_url(path, store)
        # What was compiled with other options is of no use here, and compiled again.
        platforms = content["platforms"].items()
        return Hashes(store, {name: _of_platform(one) for name, one in platforms if one["options"] == OPTIONS})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise EvenkeelError(
            f"{path} is malformed: {type(error).__name__}: {error}",
            "Restore it from version control, or remove it and run compile.yml again",
        ) from None


def changes(before: Hashes | None, after: Hashes) -> list[str]:
    """Return a line for each package whose bytecode comes, goes or changes, below its platform; pure."""
    old = before.platforms if before else {}
    lines = []
    if before and before.store != after.store:
        lines.append(f"~ store {before.store} -> {after.store}")
    for platform in sorted(old.keys() | after.platforms.keys()):
        was, now = _lines(old.get(platform)), _lines(after.platforms.get(platform))
        moved = [f"- {was[key]}" for key in was.keys() - now.keys()] + [
            f"+ {now[key]}" for key in now.keys() - was.keys()
        ]
        lines += [platform, *(f"  {line}" for line in sorted(moved, key=lambda line: line[2:]))] if moved else []
    return lines


def _fields(archive: Archive | None) -> dict[str, Any]:
    return {"archive": archive.sha256, "size": archive.size} if archive else {"archive": None}


def _lines(of_platform: OfPlatform | None) -> dict[tuple[str, str], str]:
    """Return the packages that have bytecode as lines, by package and archive."""
    if of_platform is None:
        return {}
    return {
        (package, archive.sha256): f"{of_platform.names[package]} ({of_platform.tag}, {archive.size} bytes)"
        for package, archive in of_platform.archives.items()
        if archive
    }


def _of_platform(content: Mapping[str, Any]) -> OfPlatform:
    archives: dict[str, Archive | None] = {}
    names = {}
    for entry in content["packages"]:
        package = _matching(_SHA256, entry["sha256"])
        size = entry.get("size", 0)
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"{size!r} is no size in bytes")
        archives[package] = Archive(_matching(_SHA256, entry["archive"]), size) if entry["archive"] else None
        names[package] = str(entry["package"])
    python, tag = _matching(_SHA256, content["python"]), _matching(_TAG, content["tag"])
    return OfPlatform(python, tag, _matching(_MAGIC, content["magic"]), archives, names)


def _matching(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is not what it has to be")
    return text
