# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Reading an environment.yml."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import parsed, read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import selectors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import Mistakes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.other_systems import require_linux
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.pip_section import PipSection
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import require_yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.variables import is_name, is_value
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import conda_specs, pip_requirements
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import (
    CONFIGURED,
    NODEFAULTS,
    SUBDIRS,
    Mirrors,
    are_partial,
    channel_urls,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import match_spec

#: ``prefix`` is what ``conda env export`` adds: where it stood on another machine. conda ignores it too. The last three
#: are conda-lock's; its categories divide one lock, and here each environment has its own.
KEYS = ("name", "channels", "dependencies", "variables", "prefix", "platforms", "category", "pip-repositories")
_WITHOUT_EFFECT = ("name", "prefix", "category")
#: An option of the command conda, written after a package.
_OPTION = re.compile(r"(^|\s)--?(c|channel)[\s=](?P<channel>\S+)|\s-{1,2}[a-z]")

_PATH = re.compile(r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]")
#: A repository, a wheel, and a requirement with a URL.
_OF_PIP = re.compile(r"(git|hg|svn|bzr)\+|\S+\.whl(#|$)|[\w.-]+\s*@\s*\w[\w+.-]*://")
#: A statement of a template, which is no YAML.
_TEMPLATE = re.compile(r"^[^#\n]*\{%", re.MULTILINE)
#: Keys of the file that MLflow writes beside its conda.yaml.
_OF_MLFLOW = {"python", "build_dependencies"}
#: Extras of a package of pip.
_EXTRAS = re.compile(r"(?P<name>[\w.-]+)\s*\[[\w.,\s-]+\](?P<version>.*)")
_COLON = re.compile(r"(?P<name>[\w.-]+)\s*:\s*(?P<version>[\d.*]+)")


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
    #: Each constraint, and the file and line that it stands in.
    constraint_places: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    #: URLs of package indexes (simple API), in the order in which they are asked; the configured one when empty.
    indexes: tuple[str, ...] = ()
    #: URLs of pages and directories with links to wheels.
    find_links: tuple[str, ...] = ()
    #: Which hashes packages of pip may have, as ``NAME sha256:DIGITS``.
    hashes: tuple[str, ...] = ()
    #: conda's names of the platforms that it is for; empty when it does not say.
    platforms: tuple[str, ...] = ()
    #: The files of pip's requirements and constraints that it names.
    included: tuple[Path, ...] = ()
    #: What it asks for by platform, where that differs; its own fields have everything then.
    selected: Mapping[str, EnvironmentFile] = field(default_factory=dict)

    @property
    def request(self) -> dict[str, list[str]]:
        """What has to be solved, in an order that does not depend on who wrote it."""
        of_pip = {
            "constraints": sorted(self.constraints),
            "indexes": list(self.indexes),
            "find_links": list(self.find_links),
            "hashes": sorted(self.hashes),
        }
        return {
            "packages": sorted(self.packages),
            "channels": list(self.channels),
            "pip": sorted(self.pip),
            **{key: value for key, value in of_pip.items() if value},
        }

    @property
    def meaning(self) -> dict[str, list[str]]:
        """The request in one spelling of all that mean the same."""
        return self._respelled(conda_specs.normal)

    @property
    def respaced(self) -> dict[str, list[str]]:
        """The request in one spelling of those that differ only in spaces, cases and names of channels."""
        return self._respelled(conda_specs.respaced)

    def _respelled(self, of_conda: Callable[[str], str]) -> dict[str, list[str]]:
        return replace(
            self,
            packages=tuple({of_conda(text) for text in self.packages}),
            pip=tuple({pip_requirements.normal(text) for text in self.pip}),
            constraints=tuple({pip_requirements.normal(text) for text in self.constraints}),
        ).request

    def on(self, platform: str) -> EnvironmentFile:
        """Return what it asks for on one platform."""
        return replace(self.selected.get(platform, self), path=self.path)


def read(path: Path) -> EnvironmentFile:
    """Return what an environment.yml holds.

    Raises
    ------
    EvenkeelError
        It can't be read, or lists all that is wrong with it: a key that nobody knows, a value of another kind than its
        key's, what a lock can't keep the same on every machine, or what no node has.
    """
    return from_text(path, read_text(path))


def from_text(path: Path, text: str) -> EnvironmentFile:
    """Return what ``read`` does, of a text that is at ``path`` or is going to be."""
    require_yaml(path)
    if _TEMPLATE.search(text):
        raise EvenkeelError(f"{path} is a template, not an environment", "Render it, and name what that writes")
    content = parsed(path, text, exact_numbers=True)
    if content.keys() >= _OF_MLFLOW:
        raise EvenkeelError(
            f"{path} is MLflow's description of an environment of pip alone, which conda does not read",
            "Name the conda.yaml beside it, or write an environment.yml with its Python and, below pip, its packages",
        )
    if {"metadata", "package"} <= content.keys():
        raise EvenkeelError(f"{path} is a lock, not an environment", "Name the environment.yml that it was made from")
    mistakes = Mistakes(path)
    whole = _Reader(path, content, mistakes, None).environment()
    selected: dict[str, EnvironmentFile] = {}
    if selectors.are_used(text) or _has_keys_of_mamba(content):
        for platform in sorted(PLATFORMS.values()):
            of_platform = parsed(path, selectors.selected(text, platform), exact_numbers=True)
            selected[platform] = _Reader(path, of_platform, mistakes, platform).environment()
    for environment in selected.values() or (whole,):
        with mistakes.collected():
            require_linux(environment.packages, environment.pip, path)
    mistakes.require_none()
    return replace(whole, selected=selected)


class _Reader:
    """Reads the keys of a file, for one platform or, with None, for all."""

    def __init__(self, path: Path, content: Mapping[str, Any], mistakes: Mistakes, platform: str | None) -> None:
        self._path = path
        self._content = content
        self._mistakes = mistakes
        self._platform = platform

    def environment(self) -> EnvironmentFile:
        """Return what is sound; what is not is among the mistakes."""
        for key in self._content:
            with self._mistakes.collected():
                if key not in KEYS:
                    raise EvenkeelError(
                        f"{self._path}: the key {key!r} is unknown",
                        "Write it as an entry of dependencies: `- pip:`"
                        if key == "pip"
                        else f"Leave it out, since conda ignores it. Known: {', '.join(KEYS)}",
                    )
                if key in _WITHOUT_EFFECT and isinstance(self._content[key], list | dict):
                    raise self._wrong(key, self._content[key], "text")
        channels = self._channels()
        packages, pip = self._dependencies()
        for url in self._texts("pip-repositories"):
            with self._mistakes.collected():
                pip.extra_indexes.append(pip_requirements.source(url, "pip-repositories", str(self._path)))
        return EnvironmentFile(
            path=self._path,
            channels=tuple(dict.fromkeys((*channels, *conda_specs.channels_of(packages)))),  # in conda's order
            packages=packages,
            pip=tuple(dict.fromkeys(pip.requirements)),
            variables=self._variables(),
            constraints=tuple(dict.fromkeys(pip.constraints)),
            constraint_places=tuple(pip.constraint_places),
            indexes=tuple(dict.fromkeys(pip.indexes)),
            find_links=tuple(dict.fromkeys(pip.find_links)),
            hashes=tuple(dict.fromkeys(pip.hashes)),
            platforms=self._platforms(),
            included=tuple(dict.fromkeys(pip.files)),
        )

    def _channels(self) -> tuple[str, ...]:
        before = len(self._mistakes)
        names = self._texts("channels")
        listed: dict[str, None] = {}
        for name in names:
            with self._mistakes.collected():
                if "$" in name:
                    raise EvenkeelError(
                        f"{self._path}: channels holds {name!r}, whose variable other machines may have otherwise",
                        "Write its value; credentials belong into the control node's own ~/.netrc",
                    )
                with self._at("channels"):
                    listed.update(dict.fromkeys(channel_urls([name])))
        with self._mistakes.collected():
            if len(self._mistakes) == before:
                self._require_channels(names, tuple(listed))
        return tuple(listed)

    def _require_channels(self, names: tuple[str, ...], listed: tuple[str, ...]) -> None:
        if not listed:
            raise EvenkeelError(
                f"{self._path}: channels names no channel; conda would ask those that it is configured with, and "
                f"a lock must name them",
                f"Add to channels {CONFIGURED}",
            )
        if NODEFAULTS not in names and are_partial(listed):
            raise EvenkeelError(
                f"{self._path}: channels names only {', '.join(names)}, which has some packages and no Python; conda "
                f"would ask those that it is configured with too, and a lock must name them",
                f"Add as the last of channels {CONFIGURED}; `- {NODEFAULTS}` if there is to be no other",
            )

    def _dependencies(self) -> tuple[tuple[str, ...], PipSection]:
        before = len(self._mistakes)
        pip = PipSection()
        texts: list[Any] = []
        sections: list[dict[Any, Any]] = []
        for entry in self._for_platform(self._list("dependencies")):
            (sections if isinstance(entry, dict) else texts).append(entry)
        packages = self._of_conda(texts)
        with self._mistakes.collected():
            if len(sections) > 1 and all(list(section) == ["pip"] for section in sections):
                raise EvenkeelError(
                    f"{self._path}: dependencies has {len(sections)} sections pip, of which conda keeps only the last",
                    "Join them into one",
                )
        for section in sections:
            self._section(section, pip)
        if not packages and pip.requirements:
            packages = ("pip",)  # as conda adds it
        with self._mistakes.collected():
            if not packages and self._platform is None and len(self._mistakes) == before:
                raise EvenkeelError(
                    f"{self._path}: dependencies names no package of conda",
                    "Add what it must contain, such as python=3.11",
                )
        return packages, pip

    def _for_platform(self, entries: list[Any]) -> Iterator[Any]:
        """Yield entries, and those of mamba's keys ``sel(...)`` that are for the platform."""
        for entry in entries:
            keys = list(entry) if isinstance(entry, dict) else []
            selector = selectors.of_key(keys[0]) if len(keys) == 1 else None
            if selector is None:
                yield entry
                continue
            with self._mistakes.collected():
                if not selectors.is_selector(selector):
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {keys[0]}, which names no platform",
                        f"Known: {', '.join(sorted(selectors.KNOWN))}",
                    )
                if self._platform is None or selectors.holds(selector, self._platform):
                    value = entry[keys[0]]
                    yield from value if isinstance(value, list) else [value]

    def _of_conda(self, entries: list[Any]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for text in self._sound_texts("dependencies", entries):
            with self._mistakes.collected():
                option = _OPTION.search(text)
                package = (text[: option.start()] + text[option.end() :]).strip() if option else ""
                if text.startswith("-") and (not package or package.startswith("-")):
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, which is an option of pip",
                        "Write it below the key pip",
                    )
                if _PATH.match(text):
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, which is a path on one machine",
                        "Put the package into a channel, and name it as NAME=VERSION",
                    )
                if _OF_PIP.match(text):
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, which pip understands and conda does not",
                        "Write it below the key pip",
                    )
                if "{{" in text:
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, with a variable of a template",
                        "Write its value, or render the template first",
                    )
                if colon := _COLON.fullmatch(text):
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, which conda does not understand",
                        f"Write it like conda does: {colon['name']}={colon['version']}",
                    )
                if option:
                    where = option["channel"]
                    package = package if where else text[: option.start()].strip()
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, with an option of the command conda",
                        f"Name the channel before the package: {where}::{package}" if where else f"Write {package}",
                    )
                if ";" in text:
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, with a condition, which conda does not take",
                        f"Write {text.partition(';')[0].strip()}, or put it below the key pip",
                    )
                if extras := _EXTRAS.fullmatch(text):
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, with extras, which are pip's",
                        f"Write {extras['name']}{extras['version']}, or put it below the key pip",
                    )
                if (joined := conda_specs.with_commas(text)) != text:
                    raise EvenkeelError(
                        f"{self._path}: dependencies holds {text!r}, of which conda takes the end for a build",
                        f"Write a comma: {joined}",
                    )
                with self._at("dependencies"):
                    match_spec(text, Mirrors())
                found[text] = None
        return tuple(found)

    def _section(self, section: dict[Any, Any], pip: PipSection) -> None:
        """Read one section below dependencies, which must be pip's."""
        with self._mistakes.collected():
            if list(section) != ["pip"]:
                is_pip = [str(key).lower() for key in section] == ["pip"]
                are_versions = all(_is_scalar(value) for value in section.values())
                raise EvenkeelError(
                    f"{self._path}: dependencies holds {_shown(section)}",
                    "Write the key as pip, in lower case"
                    if is_pip
                    else f"Write it as text: {_as_list(section)}"
                    if are_versions
                    else "Write packages as text, and pip's below the key pip",
                )
            lines = section["pip"]
            if lines is None:
                return
            if not isinstance(lines, list):
                raise self._wrong("dependencies.pip", lines, "a list", remedy="Write each line as `- LINE` below pip:")
            where = f"{self._path}: dependencies.pip"
            texts = self._sound_texts("dependencies.pip", lines)
            pip.read("\n".join(texts), where, self._path.parent, self._mistakes)

    def _platforms(self) -> tuple[str, ...]:
        platforms = self._texts("platforms")
        known = sorted(PLATFORMS.values())
        with self._mistakes.collected():
            if platforms and not set(platforms) & set(known):
                raise EvenkeelError(
                    f"{self._path}: platforms names {', '.join(platforms)}, and no node is one of them",
                    f"Add those of the nodes: {' or '.join(known)}",
                )
        for platform in platforms:
            with self._mistakes.collected():
                if platform not in SUBDIRS:
                    raise EvenkeelError(
                        f"{self._path}: platforms names {platform}, which is no platform of conda",
                        f"Those of nodes are {' and '.join(known)}",
                    )
        return platforms

    def _variables(self) -> dict[str, str]:
        entries = self._content.get("variables")
        found: dict[str, str] = {}
        if entries is None:
            return found
        with self._mistakes.collected():
            if not isinstance(entries, dict):
                raise self._wrong("variables", entries, "keys and values")
            for name, value in entries.items():
                with self._mistakes.collected():
                    if not is_name(name):
                        raise self._wrong(
                            "variables",
                            name,
                            "the name of a variable",
                            "holds",
                            "Write letters, digits and _, no digit first",
                        )
                    if not isinstance(value, str | int) or isinstance(value, bool):
                        raise self._wrong(f"variables.{name}", value, "text")
                    if not is_value(str(value)):
                        raise self._wrong(f"variables.{name}", value, "text without NUL", remedy="Leave the NUL out")
                    found[name] = str(value)
        return found

    def _list(self, key: str) -> list[Any]:
        """Return the entries of a key; none where it is left out, empty or no list."""
        entries = self._content.get(key)
        with self._mistakes.collected():
            if entries is not None and not isinstance(entries, list):
                remedy = f"Write it as a list: {_as_list(entries)}" if isinstance(entries, str | dict) else ""
                raise self._wrong(key, entries, "a list", remedy=remedy)
            return entries or []
        return []

    def _texts(self, key: str) -> tuple[str, ...]:
        return self._sound_texts(key, self._list(key))

    def _sound_texts(self, key: str, entries: list[Any]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for entry in entries:
            with self._mistakes.collected():
                if not isinstance(entry, str) or not entry.strip():
                    raise self._wrong(key, entry, "text", "holds", _as_text(entry))
                found[entry.strip()] = None
        return tuple(found)

    @contextmanager
    def _at(self, key: str) -> Iterator[None]:
        """Say in an error where the text that it is about stands."""
        try:
            yield
        except EvenkeelError as error:
            raise EvenkeelError(f"{self._path}: {key}: {error.what}", error.remedy) from None

    def _wrong(self, key: str, value: object, expected: str, verb: str = "is", remedy: str = "") -> EvenkeelError:
        if isinstance(value, date):
            remedy = f"YAML takes it for a date; write it in quotes: '{value}'"
        return EvenkeelError(
            f"{self._path}: {key} {verb} {_shown(value)}, which is not {expected}",
            remedy or "Correct the value; text that YAML takes for something else needs quotes",
        )


def _has_keys_of_mamba(content: Mapping[str, Any]) -> bool:
    entries = content.get("dependencies")
    return isinstance(entries, list) and any(
        selectors.of_key(key) is not None for entry in entries if isinstance(entry, dict) for key in entry
    )


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _as_list(written: str | Mapping[Any, Any]) -> str:
    """Return the entries of a list that say what was written as text, or as packages and their versions."""
    if isinstance(written, str):
        entries = [entry.strip() for entry in written.split(",")] if "=" not in written else [written]
    else:
        entries = [_package(name, value) for name, value in written.items()]
    return ", ".join(f"`- {entry}`" for entry in entries)


def _as_text(entry: object) -> str:
    """Return how to write an entry of a list that is no text; empty where quotes are missing."""
    if entry is None:
        return "Write what it is to name, or leave the line out"
    if isinstance(entry, list):
        return f"Write each on a line of its own: {', '.join(f'`- {one}`' for one in entry)}"
    if isinstance(entry, dict):
        return f"Write it as text: {', '.join(f'`- {name}==VERSION`' for name in entry)}"
    return ""


def _package(name: object, version: object) -> str:
    if version is None or (isinstance(version, str) and re.match("[<>=!~]", version)):
        return f"{name}{version or ''}"
    if not _is_scalar(version):
        return f"{name}:"
    is_short = isinstance(version, float) and len(str(version).rpartition(".")[2]) == 1
    return f"{name}={'VERSION' if is_short else version}"  # YAML reads 3.10 as 3.1


def _shown(value: object) -> str:
    if isinstance(value, date):
        return str(value)
    return "empty" if value is None else repr(value)
