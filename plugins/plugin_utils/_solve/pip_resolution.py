# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Resolve pip's requirements around conda's packages, without a release that is passed over in silence."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import index_pages, passed_over, pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import without_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_conflicts import beside, conflicts, named
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_pages import Page
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.passed_over import Look
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import require_hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Answer, Question
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build, SourceRelease

with optional():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import Version

#: Says that every name may be built.
ALL = "all"
#: How much of uv's explanation is shown, and of each one where there are several.
MOST_CHARACTERS, MOST_OF_SEVERAL = 1500, 400

_REFUSED = re.compile(r"authenticat|\b401\b|\b403\b|Unauthorized|Forbidden")
_UNREACHED = re.compile(
    r"Failed to fetch|Request failed|error sending request|dns error|[Cc]ould not connect|timed out"
)

#: A single step of uv's reasoning, whose end says nothing more.
_STEP = re.compile(r"Because ((?:(?!we can conclude).)+?) and you require [^,]+, we can conclude that [^.]+\.?")
#: At the end of a conflict, what is asked of a tool that conda brings with Python.
_TOOL = re.compile(r" (?:asks for|needs) (?P<spec>(?:pip|setuptools|wheel)[<>=!~]\S+)$")
#: How often the rest is asked for, after what can't be had.
MOST_REFUSALS = 10

#: Returns what the extras of a distribution of conda need: lines of its metadata.
Extras = Callable[[str], tuple[str, ...]]


class Refusal(EvenkeelError):
    """Requirements that have no answer, whichever others are asked for with them."""

    def __init__(self, what: str, remedy: str, about: str, to_build: frozenset[str] = frozenset()) -> None:
        super().__init__(what, remedy)
        #: A text with the names that are to blame.
        self.about = about
        #: Names of what must be built, and may not be.
        self.to_build = to_build


class _UnbuiltError(Exception):
    """Something would be built for an answer that is an error already."""


def resolve(
    question: Question,
    extras: Extras,
    build: Build | None = None,
    buildable: Iterable[str] = (),
    hashes: Collection[str] = (),
) -> list[Package]:
    """Return the wheels, sorted by name, that meet the question's requirements together with what conda provides.

    Only wheels are taken. A release that was passed over only for want of a wheel is built where that is allowed, and
    is an error elsewhere.

    Parameters
    ----------
    question
        What is asked.
    extras
        Asked only for a distribution of conda of which somebody wants an extra.
    build
        Builds a release. Without it nothing is built, and what would have to be is an error.
    buildable
        Names that may be built, or ``all``.
    hashes
        As of ``require_hashes``: before something is built, what is known by then has to have them.

    Raises
    ------
    EvenkeelError
        Nothing fits, an index does not answer, or something would have to be built that may not be. What has no answer
        by itself is all named.
    """
    refused: list[EvenkeelError] = []
    to_build: frozenset[str] = frozenset()
    rest = question
    while len(refused) < MOST_REFUSALS:
        try:
            found = _resolved(rest, extras, _unbuilt if build and refused else build, buildable, to_build, hashes)
        except _UnbuiltError:
            break
        except Refusal as refusal:
            if not refusal.to_build or refusal.to_build - to_build:
                refused.append(refusal)
            to_build |= refusal.to_build
            blamed = _blamed(rest, refusal.about)
            rest = replace(rest, requirements=tuple(text for text in rest.requirements if text not in blamed))
            if not rest.requirements:
                break
        except EvenkeelError as error:
            refused.append(error)
            break
        else:
            if refused:
                break
            return found
    raise _together(refused)


def _unbuilt(_release: SourceRelease) -> Path:
    raise _UnbuiltError


def _together(refused: list[EvenkeelError]) -> EvenkeelError:
    """Return the only error as it is, and several as a list, each with its own remedy."""
    if len(refused) == 1:
        return refused[0]
    lines = [
        f"- {_shortened(error.what, MOST_OF_SEVERAL).rstrip('. ')}. {error.remedy.rstrip('. ')}." for error in refused
    ]
    what = f"What is asked of pip has {len(refused)} mistakes:\n" + "\n".join(lines) + "\n"
    return Refusal(what, "Correct them, then run again", about=what)


def _resolved(
    question: Question,
    extras: Extras,
    build: Build | None,
    buildable: Iterable[str],
    asked: Collection[str],
    hashes: Collection[str],
) -> list[Package]:
    """Return the answer, or fail with the first reason why there is none; builds of ``asked`` are asked for already."""
    allowed = {canonicalize_name(name) for name in buildable}
    _refuse_conflicts(question)
    question = _with_built_urls(question, build, allowed, asked, hashes)
    while True:
        question, answer = _with_extras(question, extras)
        looked = passed_over.look(question, answer)
        if looked.unread and not _is_of_index(answer.failure):
            raise EvenkeelError(
                f"{looked.unread.what}. Without it, the pip packages {pip_solver.shortened(question.requirements)} "
                f"cannot be resolved: {_shortened(answer.failure)}",
                looked.unread.remedy,
            )
        if not looked.answer.sources:
            break
        if build is None or not _may_be_built(looked.answer.sources, allowed):
            raise _refusal(question, answer, looked, allowed | set(asked))
        pinned = _pinned_names(question)
        known = (package for package in looked.answer.packages if package.name in pinned)
        require_hashes([*_archives(looked.answer.sources), *known], hashes)
        built = [(release, build(release)) for release in looked.answer.sources]
        question = replace(question, built=(*question.built, *built))
    if answer.failure:
        _refuse_conflicts(question, f"{looked.failure} {answer.failure}")
        step = _STEP.fullmatch(looked.failure)
        why = _shortened(step[1] if step else looked.failure)
        blamed = _blamed(question, why)
        if looked.failure != answer.failure and set(_blamed(question, answer.failure)) <= set(blamed):
            why += f" Besides, with wheels alone: {_shortened(answer.failure)}"
        unreached = EvenkeelError if _is_of_index(why) else partial(Refusal, about=why)
        raise unreached(
            f"The pip packages {pip_solver.shortened(blamed)} cannot be resolved"
            f"{beside(question.provided, why)}: {why}",
            _way_out(question, why),
        )
    return _pinned(answer.packages, question, looked.pages)


def _blamed(question: Question, why: str) -> list[str]:
    """Return the requirements that an explanation is about; all where it names none of them."""
    blamed = [text for text in question.requirements if named(canonicalize_name(Requirement(text).name), why)]
    return blamed or list(question.requirements)


def _is_of_index(why: str) -> bool:
    """Return whether uv's words are about an index that does not answer or refuses."""
    return bool(_REFUSED.search(why) or _UNREACHED.search(why))


def _way_out(question: Question, why: str) -> str:
    """Return what to do where nothing fits, by uv's words."""
    if _REFUSED.search(why):
        return "The index asks for a login: keep it in the control node's own ~/.netrc"
    if _UNREACHED.search(why):
        return "Check the index's URL, and that the control node reaches it"
    named_ones = (one for one in map(Requirement, question.requirements) if named(one.name, why))
    local = {part for one in named_ones for part in re.findall(r"\+[\w.]+", str(one.specifier))}
    if local:
        return (
            f"Versions with {', '.join(sorted(local))} are in an index of their own: name it with --extra-index-url "
            "in the environment's pip section, or in lock_pip_indexes"
        )
    return "Change the environment's pip section, its conda packages or the index (lock_pip_index)"


def _refuse_conflicts(question: Question, failure: str = "") -> None:
    """Refuse what conda and pip disagree on, as far as the question, or uv's explanation, says it."""
    if found := conflicts(question, failure):
        tools = [f"`- {tool['spec'].replace('==', '=')}`" for line in found if (tool := _TOOL.search(line))]
        ways = [f"Write among conda's packages, and not below pip: {', '.join(tools)}"] if tools else []
        if len(tools) < len(found):
            which = "the other" if tools else "these"
            ways.append(f"Leave each of {which} names to conda or to pip alone, or ask both for versions that agree")
        lines = "; ".join(found)
        raise Refusal(f"{lines}. One environment holds one version of each", ". ".join(ways), about=lines)


def _with_extras(question: Question, extras: Extras) -> tuple[Question, Answer]:
    """Ask uv, with what the extras of conda's distributions need where somebody wants them."""
    while True:
        answer = pip_solver.ask(question)
        names = {name for name, _extra in answer.missing_extras if name in question.provided}
        new = {name: question.provided[name] for name in names if question.provided[name].extras is None}
        if not new:
            break
        known = {name: replace(of_conda, extras=extras(name)) for name, of_conda in new.items()}
        question = replace(question, provided={**question.provided, **known})
    asked = {
        (canonicalize_name(one.name), extra) for one in map(Requirement, question.requirements) for extra in one.extras
    }
    for name, extra in answer.missing_extras:
        if (name, extra) in asked:  # of others' requirements, pip too ignores it
            raise Refusal(
                f"{name} has no extra {extra!r}{beside(question.provided, name)}",
                "Write an extra that this version has, or name what it needs by itself",
                about=name,
            )
    return question, answer


def _with_built_urls(
    question: Question, build: Build | None, allowed: Collection[str], asked: Collection[str], hashes: Collection[str]
) -> Question:
    """Return the question with wheels in place of commits and source archives that it names by URL."""
    named_ones = [(text, Requirement(text)) for text in (*question.requirements, *question.constraints)]
    sources = {
        text: _source_at(canonicalize_name(one.name), one.url)
        for text, one in named_ones
        if one.url and not urlsplit(one.url).path.endswith(".whl")
    }
    if not sources:
        return question
    if build is None or not _may_be_built(sources.values(), allowed):
        places = ", ".join(f"{release.name} ({release.url})" for release in sources.values())
        raise Refusal(
            f"The pip packages {places} are sources, of which a wheel must be built",
            f"Where you trust them, lock with {_line(sources.values(), {*allowed, *asked})}, which has them built once",
            " ".join(release.name for release in sources.values()),
            frozenset(release.name for release in sources.values()),
        )
    require_hashes(_archives(sources.values()), hashes)
    wheels = {text: build(source).resolve().as_uri() for text, source in sources.items()}

    def as_wheel(text: str) -> str:
        if text not in wheels:
            return text
        requirement = Requirement(text)
        requirement.url = wheels[text]
        return str(requirement)

    return replace(
        question,
        requirements=tuple(map(as_wheel, question.requirements)),
        constraints=tuple(map(as_wheel, question.constraints)),
    )


def _pinned_names(question: Question) -> set[str]:
    """Return the names of which the requirements ask for one version: what is chosen now is chosen in the end, too."""
    requirements = map(Requirement, question.requirements)
    return {canonicalize_name(one.name) for one in requirements if [it.operator for it in one.specifier] == ["=="]}


def _archives(releases: Iterable[SourceRelease]) -> list[Package]:
    """Return the archives of releases, with their hashes; a commit has none."""
    return [
        Package(release.name, release.version, "", release.sha256, PIP, url=release.url)
        for release in releases
        if release.sha256
    ]


def _source_at(name: str, url: str) -> SourceRelease:
    """Return the source at a URL, which names the hash of an archive as pip writes it."""
    place, _unused, digest = url.partition("#sha256=")
    return SourceRelease(name, "", place, digest)


def _may_be_built(sources: Iterable[SourceRelease], allowed: Collection[str]) -> bool:
    return ALL in allowed or all(release.name in allowed for release in sources)


def _line(sources: Iterable[SourceRelease], allowed: Collection[str]) -> str:
    """Return the line that allows the builds, with what is allowed already."""
    return f"lock_build: [{', '.join(sorted({release.name for release in sources} | set(allowed)))}]"


def _refusal(question: Question, answer: Answer, looked: Look, allowed: Collection[str]) -> EvenkeelError:
    """Return the error about releases that were passed over."""
    sources = looked.answer.sources
    releases = ", ".join(f"{release.name} {release.version}" for release in sources)
    newer = {package.name: package.version for package in looked.answer.packages}
    newer |= {release.name: release.version for release in sources}
    older = [
        (package.name, package.version, newer[package.name])
        for package in answer.packages
        if package.name in newer and Version(package.version) < Version(newer[package.name])
    ]
    if answer.failure:
        instead = f": {_shortened(answer.failure)}"
    else:
        instead = "".join(f", {name} {old} would be taken instead of {new}" for name, old, new in older)
        instead = instead and f". With wheels alone{instead[1:]}"
    others = " ".join(f"{name}=={old}" for name, old, _new in older)
    what = f"The index has only the source of {releases}{instead}"
    return Refusal(
        what,
        f"Where you trust them, lock with {_line(sources, allowed)}, which has wheels built once"
        + (f"; or ask for the older ones in the environment's pip section: {others}" if others else ""),
        what,
        frozenset(release.name for release in sources),
    )


def _pinned(packages: Iterable[Package], question: Question, found: Mapping[str, Page]) -> list[Package]:
    """Return packages with the index that each was found on, where that is not the configured one."""
    by_url = {canonicalize_name(one.name) for one in map(Requirement, question.requirements) if one.url}
    configured, known = _plain(question.index), {_plain(index) for index in question.indexes}
    linked: dict[str, str] = {}
    for place in question.find_links:
        for file in index_pages.files(place) or ():
            linked.setdefault(file.name, _plain(place))

    def index_of(package: Package) -> str:
        folder, _slash, file = package.url.rpartition("/")
        if package.name in by_url:
            return folder
        file = unquote(file)
        page = found.get(canonicalize_name(package.name))
        if page is None or all(one.name != file for one in page.files):
            return linked.get(file, "")
        index = _plain(page.index)
        return "" if index == configured or not (configured or index in known) else index

    return [
        # Commits, and what was built here, are on no index.
        replace(package, index=index_of(package)) if package.sha256 and "://" in package.url else package
        for package in packages
    ]


def _plain(url: str) -> str:
    """Return an index's URL in the one spelling of all that mean the same, without credentials."""
    parts = urlsplit(without_credentials(url))
    host = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ":"))
    return urlunsplit(parts._replace(netloc=host)).rstrip("/")


def _shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[:most].rpartition(' ')[0]} ..."
