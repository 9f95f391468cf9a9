# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Releases that uv passes over only because there is no wheel of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import without_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_credentials import with_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_pages import File, Page, pages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Answer, Question
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease

with optional():
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version

#: How often uv is asked with more stubs; each time it comes upon further names.
MOST_ROUNDS = 20


@dataclass(frozen=True)
class Releases:
    """What an index has of one name, for one target."""

    #: Of which there is a source archive and no wheel.
    sources: tuple[SourceRelease, ...] = ()
    #: Of which there is a wheel.
    wheels: frozenset[Version] = frozenset()


@dataclass(frozen=True)
class Look:
    """What the indexes have beside wheels."""

    #: What uv chooses where source archives count as wheels; where nothing fits then either, with wheels alone.
    answer: Answer
    #: Why nothing fits although source archives count as wheels, in uv's words.
    failure: str = ""
    #: Of the names that uv looked for.
    pages: Mapping[str, Page] = field(default_factory=dict)
    #: Why an index can't be read here, where nothing fits with wheels alone; uv may know it from its cache.
    unread: EvenkeelError | None = None


def look(question: Question, wheels_only: Answer) -> Look:
    """Return what uv would choose if source archives were wheels.

    What is among the answer's ``sources`` was passed over only for want of a wheel. Nothing is downloaded but pages of
    indexes, and nothing is run. As nobody knows what a source archive needs, one counts only where no newer wheel is
    asked for just as well: an ancient archive is no way out of a conflict.

    Parameters
    ----------
    question
        What uv was asked.
    wheels_only
        What it said.

    Raises
    ------
    EvenkeelError
        An index that uv can read can't be read here, although something fits.
    """
    found: dict[str, Page] = {}
    releases: dict[str, Releases] = {}
    left_out: set[SourceRelease] = set()
    answer = wheels_only
    unread: EvenkeelError | None = None
    for _round in range(MOST_ROUNDS):
        new = [name for name in answer.looked_for if name not in releases and name not in question.provided]
        try:
            found |= pages({name: _places(question, name, answer.looked_for[name]) for name in new})
        except EvenkeelError as error:
            if not wheels_only.failure:
                raise
            unread = error
            break
        releases |= {name: releases_of(name, found[name].files, question) for name in new if name in found}
        releases |= {name: Releases() for name in new if name not in found}
        outdone = {
            one for source in answer.sources for one in _outdone(source, answer, releases[source.name], question)
        }
        if not outdone - left_out and not any(releases[name].sources for name in new):
            break
        left_out |= outdone
        counted = [one for of_name in releases.values() for one in of_name.sources if one not in left_out]
        answer = pip_solver.ask(question, counted)
    return Look(wheels_only if answer.failure else answer, answer.failure, found, unread)


def releases_of(name: str, files: Iterable[File], question: Question) -> Releases:
    """Return what there is of a name for the question's target; pure."""
    tags, python = set(question.target.tags()), Version(question.target.python)
    archives: dict[Version, File] = {}
    wheels = {Version(release.version) for release, _wheel in question.built if release.name == name}
    for file in files:
        if file.yanked or not _runs_on(python, file.requires_python):
            continue
        try:
            if file.name.endswith(".whl"):
                _unused, version, _build, its_tags = parse_wheel_filename(file.name)
                if not tags.isdisjoint(its_tags):
                    wheels.add(version)
            else:
                its_name, version = parse_sdist_filename(file.name)
                if its_name == name:
                    archives.setdefault(version, file)
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            continue
    sources = (
        SourceRelease(name, str(version), without_credentials(file.url), file.sha256)
        for version, file in sorted(archives.items())
        if version not in wheels
    )
    return Releases(tuple(sources), frozenset(wheels))


def _outdone(source: SourceRelease, answer: Answer, known: Releases, question: Question) -> list[SourceRelease]:
    """Return the sources of a name that are older than a wheel that is asked for just as well as the chosen source."""
    others = [one for one in answer.sources if one.name != source.name]  # with an extra, a release asks for itself
    chosen = {f"{package.name}=={package.version}" for package in answer.packages}
    chosen |= {f"{release.name}=={release.version}" for release in others}
    chosen |= {f"{name}=={of_conda.version}" for name, of_conda in question.provided.items()}
    asked = [need.ranges for need in answer.needs if need.name == source.name and (not need.by or need.by in chosen)]
    version = Version(source.version)
    as_good = [
        wheel
        for wheel in known.wheels
        if wheel > version
        and (version.is_prerelease or not wheel.is_prerelease)
        and all(_allow(ranges, wheel) for ranges in asked)
    ]
    return [one for one in known.sources if as_good and Version(one.version) < max(as_good)]


def _allow(ranges: str, version: Version) -> bool:
    """Whether ranges as uv writes them allow a version."""
    try:
        return ranges.strip() == "*" or any(
            SpecifierSet(part.strip()).contains(version, prereleases=True) for part in ranges.split("|")
        )
    except InvalidSpecifier:
        return False


def _places(question: Question, name: str, asked: Iterable[str]) -> list[str]:
    """Return where the page of a name may be: of those that uv asked for, the last one is the one that it found."""
    indexes = (*question.indexes, question.index)
    on_disk = (index for index in indexes if urlsplit(index).scheme == "file")
    return [
        *(with_credentials(url, indexes) for url in reversed(list(asked))),
        *(f"{index.rstrip('/')}/{name}/" for index in on_disk),
    ]


def _runs_on(python: Version, requires: str) -> bool:
    try:
        return not requires or SpecifierSet(requires).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True
