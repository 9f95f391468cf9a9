# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Reading an environment.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_requirements
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import channel_urls

#: ``prefix`` is what ``conda env export`` adds: where it stood on another machine. conda ignores it too.
KEYS = ("name", "channels", "dependencies", "variables", "prefix")


@dataclass(frozen=True)
class EnvironmentFile:
    """An environment as its environment.yml describes it."""

    path: Path
    #: URLs, in order of priority.
    channels: tuple[str, ...]
    #: conda's match specifications.
    packages: tuple[str, ...]
    #: pip's requirements.
    pip: tuple[str, ...] = ()
    #: What activation sets.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: pip's constraints, as PEP 508 writes them.
    constraints: tuple[str, ...] = ()
    #: URLs of package indexes (simple API), in the order in which they are asked; the configured one when empty.
    indexes: tuple[str, ...] = ()
    #: URLs of pages and directories with links to wheels.
    find_links: tuple[str, ...] = ()
    #: conda's names of the platforms that it is for; empty when it does not say.
    platforms: tuple[str, ...] = ()

    @property
    def request(self) -> dict[str, list[str]]:
        """What has to be solved, in an order that does not depend on who wrote it."""
        of_pip = {
            "constraints": sorted(self.constraints),
            "indexes": list(self.indexes),
            "find_links": list(self.find_links),
        }
        return {
            "packages": sorted(self.packages),
            "channels": list(self.channels),
            "pip": sorted(self.pip),
            **{key: value for key, value in of_pip.items() if value},
        }

    def on(self, platform: str) -> EnvironmentFile:
        """Return what it asks for on one platform."""
        return self


def read(path: Path) -> EnvironmentFile:
    """Return what an environment.yml holds.

    Raises
    ------
    EvenkeelError
        It is malformed, holds a key that nobody knows or a value of another kind than its key's.
    """
    content = read_mapping(path)
    for key in content:
        if key not in KEYS:
            raise EvenkeelError(f"{path}: the key {key!r} is unknown", f"Known: {', '.join(KEYS)}")
    for key in ("name", "prefix"):
        if not isinstance(content.get(key, ""), str):
            raise _wrong(path, key, content[key], "text")
    channels = _texts(path, "channels", content.get("channels", []))
    packages, pip = _dependencies(path, content.get("dependencies", []))
    if not packages:
        raise EvenkeelError(
            f"{path}: dependencies names no package of conda", "Add what it must contain, such as python=3.11"
        )
    urls = channel_urls(channels)
    if not urls:
        raise EvenkeelError(f"{path}: channels names no channel", "Add where its packages are, such as conda-forge")
    return EnvironmentFile(path, urls, packages, pip, _variables(path, content.get("variables", {})))


def _dependencies(path: Path, entries: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(entries, list):
        raise _wrong(path, "dependencies", entries, "a list")
    sections = [entry for entry in entries if isinstance(entry, dict)]
    for section in sections:
        if list(section) != ["pip"]:
            raise EvenkeelError(
                f"{path}: dependencies holds {_shown(section)}", "Write packages as text, and pip's below the key pip"
            )
    if len(sections) > 1:
        raise EvenkeelError(f"{path}: dependencies has {len(sections)} sections pip", "Join them into one")
    packages = _texts(path, "dependencies", [entry for entry in entries if not isinstance(entry, dict)])
    requirements = _texts(path, "dependencies.pip", sections[0]["pip"]) if sections else ()
    pip = (str(pip_requirements.parse(text, f"{path}: dependencies.pip")) for text in requirements)
    return packages, tuple(dict.fromkeys(pip))


def _texts(path: Path, key: str, entries: Any) -> tuple[str, ...]:
    if not isinstance(entries, list):
        raise _wrong(path, key, entries, "a list")
    for entry in entries:
        if not isinstance(entry, str) or not entry.strip():
            raise _wrong(path, key, entry, "text", "holds")
    return tuple(dict.fromkeys(entry.strip() for entry in entries))


def _variables(path: Path, entries: Any) -> dict[str, str]:
    if not isinstance(entries, dict):
        raise _wrong(path, "variables", entries, "keys and values")
    for name, value in entries.items():
        if not isinstance(name, str) or not name or "=" in name:
            raise _wrong(path, "variables", name, "the name of a variable", "holds")
        if not isinstance(value, str):
            raise _wrong(path, f"variables.{name}", value, "text")
    return dict(entries)


def _wrong(path: Path, key: str, value: object, expected: str, verb: str = "is") -> EvenkeelError:
    return EvenkeelError(
        f"{path}: {key} {verb} {_shown(value)}, which is not {expected}",
        "Correct the value; text that YAML takes for something else needs quotes",
    )


def _shown(value: object) -> str:
    return "empty" if value is None else repr(value)
