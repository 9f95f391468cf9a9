# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Releases that uv passes over only because there is no wheel of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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
class Look:
    """What the indexes have beside wheels."""

    #: What uv chooses where source archives count as wheels.
    answer: Answer
    #: Of the names that uv looked for.
    pages: Mapping[str, Page] = field(default_factory=dict)


def look(question: Question, wheels_only: Answer, left_out: Collection[str] = ()) -> Look:
    """Return what uv would choose if source archives were wheels that need nothing.

    What is among the answer's ``sources`` was passed over only for want of a wheel. Nothing is downloaded but pages of
    indexes, and nothing is run.

    Parameters
    ----------
    question
        What uv was asked.
    wheels_only
        What it said.
    left_out
        Names of which no source counts.

    Raises
    ------
    EvenkeelError
        An index that uv can read can't be read here.
    """
    found: dict[str, Page] = {}
    sources: dict[str, tuple[SourceRelease, ...]] = {}
    answer = wheels_only
    for _round in range(MOST_ROUNDS):
        new = [name for name in answer.looked_for if name not in sources and name not in question.provided]
        try:
            found |= pages({name: _places(question, name, answer.looked_for[name]) for name in new})
        except EvenkeelError:
            if wheels_only.failure:  # which says more
                break
            raise
        for name in new:
            page = found.get(name)
            sources[name] = only_sources(name, page.files, question) if page and name not in left_out else ()
        if not any(sources[name] for name in new):
            break
        answer = pip_solver.ask(question, (release for releases in sources.values() for release in releases))
    return Look(wheels_only if answer.failure else answer, found)


def only_sources(name: str, files: Iterable[File], question: Question) -> tuple[SourceRelease, ...]:
    """Return the releases of which there is a source archive, and no wheel for the target; pure."""
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
    return tuple(
        SourceRelease(name, str(version), without_credentials(file.url), file.sha256)
        for version, file in sorted(archives.items())
        if version not in wheels
    )


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
