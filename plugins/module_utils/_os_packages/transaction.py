# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A set of packages at exact versions: what has to be done for it is simulated and judged before anything is done.

``Request`` says what is wanted, ``plan`` finds out what that takes, ``apply`` does it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import disk_space
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager, Offer, Refused, Step

#: What a pattern begins with that is one of source packages.
_SOURCE = "src:"
#: So many of the versions that the repositories have are named where the wanted one is missing.
_NAMED_VERSIONS = 8


@dataclass(frozen=True)
class Wanted:
    """A package, at a version.

    The version is that of the software, such as ``580.178.04``, or exactly the package's, such as ``580.178.04-1``.
    Without one, whatever is installed is right, and the manager's choice is installed.
    """

    name: str
    version: str = ""


@dataclass(frozen=True)
class Request:
    """What a node is to have; the rest are patterns of package names, as of a shell.

    With ``src:`` before it, a pattern is one of source packages, and means every package that is built from them.

    Parameters
    ----------
    wanted
        Packages that have to be there.
    absent
        Packages that must not be there.
    hold
        Of those installed in the end, the ones that only Evenkeel may change.
    release
        Of those held, the ones that anybody may change again.
    of_version
        Packages that may be there only at the version that this mapping of patterns to versions names. Those that are
        there at another come to it, or go where the repositories don't have it.
    of_origin
        Packages that may come only from the repository at the URL that this mapping of patterns to URLs names.
    by_preferences
        Packages that may be there only at versions that the manager's preferences allow. Others come to such a version,
        or go where the repositories have none.
    refuse
        Packages that must not change at all.
    may_go
        Packages that may be removed when that is what it takes.
    unfinished
        Packages that may be unfinished when it begins, since it replaces what keeps them so.
    into
        The folder that nearly all of their files come to, which has to have room; empty where that is not known.
    """

    wanted: tuple[Wanted, ...] = ()
    absent: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    of_version: Mapping[str, str] = field(default_factory=dict)
    of_origin: Mapping[str, str] = field(default_factory=dict)
    by_preferences: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    may_go: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    into: str = ""


@dataclass(frozen=True)
class Plan:
    """What it takes; empty where nothing has to change."""

    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    hold: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    #: Of those to hold, the ones that are held already, at the version that they leave.
    held_before: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.install or self.remove or self.hold or self.release)

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        gone = ["%s %s" % (step.name, step.before) for step in self.steps if step.before]
        come = ["%s %s" % (step.name, step.after) for step in self.steps if step.after]
        header = {"before_header": "packages", "after_header": "packages"}
        held = ["held: %s" % name for name in self.hold if name not in self.held_before]
        released = ["held: %s" % name for name in self.release]
        return {**header, "before": _lines(gone + released), "after": _lines(come + held)}


def plan(manager: Manager, request: Request) -> Plan:
    """Find out what a request takes.

    Raises
    ------
    EvenkeelError
        The repositories lack a version, or the transaction would do what it must not.
    """
    installed = manager.installed()
    held = manager.held()
    sources = _sources(request, manager)
    there = manager.known()
    absent = matching(there, request.absent, sources)
    odd = [one for one in misfits(request, there, sources) if one.name not in absent]
    lacks = lacking(request.wanted, installed)
    offers = manager.offers([one.name for one in (*lacks, *odd)])
    allowed = {name: _of_origin(request, name, found) for name, found in offers.items()}
    for one in lacks:
        _require_origin(request, one.name, offers.get(one.name, ()), allowed.get(one.name, ()))
        if not allowed.get(one.name):
            raise missing(one.name, manager.alike(one.name))
    install = [spec(manager.exact, one, _versions(allowed, one.name)) for one in lacks]
    gone = list(absent)
    for one in {one.name: one for one in odd if one not in lacks}.values():
        versions = [full for full in _versions(allowed, one.name) if matches(full, one.version)]
        if versions:
            install.append(manager.exact % (one.name, versions[0]))
        else:
            gone.append(one.name)
    settled = {*absent, *(one.name for one in (*lacks, *odd))}
    for name, version in manager.forbidden(matching(there, request.by_preferences, sources)).items():
        if version and name not in settled:
            install.append(manager.exact % (name, version))
        elif name not in settled:
            gone.append(name)
    steps = tuple(manager.simulate(install, gone)) if install or gone else ()
    coming = _coming(request, manager, steps)
    sources.update({name: found[0].source for name, found in coming.items()})
    judge(request, steps, held, sources, coming)
    if request.into:
        remedy = "Make room there, then run again; nothing was changed"
        disk_space.require_free({request.into: room(manager, steps)}, "The package transaction", remedy)
    kept = after(there, steps)
    # A hold may be one of a version, as dnf's are.
    changed = {step.name for step in steps if step.after}
    to_hold = tuple(name for name in matching(kept, request.hold, sources) if name not in held or name in changed)
    return Plan(
        install=tuple(install),
        remove=tuple(gone),
        steps=steps,
        hold=to_hold,
        release=matching(held, request.release, sources),
        held_before=tuple(name for name in to_hold if name in held),
    )


def room(manager: Manager, steps: Iterable[Step]) -> int:
    """Return how many bytes a transaction needs at most at one time; a package's old files go after the new ones."""
    listed = list(steps)
    sizes = manager.sizes([(step.name, version) for step in listed for version in (step.before, step.after) if version])
    before = [sizes.get((step.name, step.before), 0) for step in listed]
    after = [sizes.get((step.name, step.after), 0) for step in listed]
    return max(sum(after) - sum(before), 0) + max(after, default=0)


def is_there(manager: Manager, request: Request) -> bool:
    """Return whether nothing has to be installed or removed; asks no repository."""
    installed, sources = manager.installed(), _sources(request, manager)
    return not (
        lacking(request.wanted, installed)
        or matching(installed, request.absent, sources)
        or misfits(request, installed, sources)
        or manager.forbidden(matching(installed, request.by_preferences, sources))
    )


def apply(manager: Manager, plan: Plan) -> None:
    """Do what a plan says."""
    if plan.release:
        manager.release(plan.release)
    if plan.install or plan.remove:
        manager.apply(plan.install, plan.remove)
    if plan.hold:
        manager.hold(plan.hold)


def hold_tools(manager: str) -> tuple[Wanted, ...]:
    """Return the packages that a package manager, ``apt`` or ``dnf``, needs so that it can hold others."""
    return () if manager == "apt" else (Wanted("python3-dnf-plugin-versionlock"),)


def matches(full: str, version: str) -> bool:
    """Return whether a package's full version, with epoch and revision, is of a version.

    >>> matches("3:580.178.04-1.el9", "580.178.04"), matches("580.178.04-1", "580.178")
    (True, False)
    """
    return not version or full == version or upstream(full) == version or full.partition(":")[2] == version


def upstream(full: str) -> str:
    """Return the software's own version out of a package's."""
    version = full.partition(":")[2] or full
    return version.rpartition("-")[0] or version


def lacking(wanted: Iterable[Wanted], installed: Mapping[str, str]) -> list[Wanted]:
    """Return the packages that aren't installed at their version."""
    return [one for one in wanted if one.name not in installed or not matches(installed[one.name], one.version)]


def misfits(request: Request, installed: Mapping[str, str], sources: Mapping[str, str]) -> list[Wanted]:
    """Return the installed packages that aren't at the version at which alone they may be there."""
    return [
        Wanted(name, version)
        for pattern, version in request.of_version.items()
        for name in matching(installed, [pattern], sources)
        if not matches(installed[name], version)
    ]


def matching(
    names: Iterable[str], patterns: Iterable[str], sources: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return those names that one of the patterns matches, sorted.

    Parameters
    ----------
    sources
        The source package of each package; one that is missing here is built from a source of its own name.
    """
    listed = list(patterns)
    by_source = _either(one[len(_SOURCE) :] for one in listed if one.startswith(_SOURCE))
    by_name = _either(one for one in listed if not one.startswith(_SOURCE))
    built_from = sources or {}
    return tuple(sorted(name for name in names if by_name.match(name) or by_source.match(built_from.get(name, name))))


def spec(exact: str, wanted: Wanted, versions: Sequence[str]) -> str:
    """Return what a package manager names a package with.

    Parameters
    ----------
    exact
        The form of a name and a version.
    versions
        What the repositories have, newest first.

    Raises
    ------
    EvenkeelError
        None of them is the wanted one.
    """
    found = [full for full in versions if matches(full, wanted.version)]
    if not found:
        known = ", ".join(dict.fromkeys(upstream(full) for full in versions[:_NAMED_VERSIONS]))
        more = " and %d more" % (len(versions) - _NAMED_VERSIONS) if len(versions) > _NAMED_VERSIONS else ""
        raise EvenkeelError(
            "The repositories have no version %s of %s; they have %s%s" % (wanted.version, wanted.name, known, more),
            "Choose one of these, or a repository that has it",
        )
    return exact % (wanted.name, found[0]) if wanted.version else wanted.name


def missing(name: str, alike: Sequence[str]) -> EvenkeelError:
    """Return the error that a package means which no repository has."""
    others = ", but %s" % ", ".join(alike[-_NAMED_VERSIONS:]) if alike else ""
    return EvenkeelError(
        "No repository of the node has the package %s%s" % (name, others),
        "Check the repository's address and that it is of this distribution%s"
        % (", or choose what it has" if alike else ""),
    )


def judge(
    request: Request,
    steps: Sequence[Step],
    held: Iterable[str] = (),
    sources: Mapping[str, str] | None = None,
    offers: Mapping[str, Sequence[Offer]] | None = None,
) -> None:
    """Refuse a transaction that changes what it must not.

    Parameters
    ----------
    held
        The packages that are held; those that aren't ours to hold stay as they are.
    sources
        The source package of each package.
    offers
        What the repositories have of the packages that come.

    Raises
    ------
    Refused
        It would; the message names the packages.
    """
    names = [step.name for step in steps]
    forbidden = set(matching(names, request.refuse))
    _refuse((step for step in steps if step.name in forbidden), "would change what it must not")
    foreign = set(held) - set(matching(held, (*request.hold, *request.release, *request.absent), sources))
    _refuse((step for step in steps if step.name in foreign), "would change what somebody holds")
    gone = [step.name for step in steps if not step.after]
    allowed = set(matching(gone, (*request.absent, *request.may_go), sources))
    _refuse((step for step in steps if not step.after and step.name not in allowed), "would remove others")
    for pattern, version in request.of_version.items():
        family = set(matching(names, [pattern], sources))
        others = (step for step in steps if step.name in family and step.after and not matches(step.after, version))
        _refuse(others, "would bring other versions than %s" % version)
    for step in steps:
        found = [one for one in (offers or {}).get(step.name, ()) if one.version == step.after]
        if found and not _of_origin(request, step.name, found):
            _refuse([step], "would take from another repository than %s" % ", ".join({*request.of_origin.values()}))


def after(installed: Mapping[str, str], steps: Iterable[Step]) -> dict[str, str]:
    """Return what is installed once these steps are done."""
    result = dict(installed)
    for step in steps:
        if step.after:
            result[step.name] = step.after
        else:
            result.pop(step.name, None)
    return result


def _refuse(steps: Iterable[Step], why: str) -> None:
    found = sorted(map(str, steps))
    if found:
        raise Refused(
            "The package transaction %s: %s" % (why, ", ".join(found)),
            "Nothing was changed. See what they depend on; choose another version, or remove them first",
        )


def _sources(request: Request, manager: Manager) -> dict[str, str]:
    """Return the source package of each package on the node, where a pattern of the request asks for it."""
    return manager.sources() if _asks_for_sources(request) else {}


def _asks_for_sources(request: Request) -> bool:
    patterns = (
        *request.absent,
        *request.hold,
        *request.release,
        *request.may_go,
        *request.of_version,
        *request.of_origin,
        *request.by_preferences,
    )
    return any(one.startswith(_SOURCE) for one in patterns)


def _coming(request: Request, manager: Manager, steps: Iterable[Step]) -> dict[str, list[Offer]]:
    """Return what the repositories have of the packages that come, where the request asks for more than names."""
    asked = _asks_for_sources(request) or request.of_origin
    names = [step.name for step in steps if step.after] if asked else []
    return manager.offers(names) if names else {}


def _of_origin(request: Request, name: str, offers: Sequence[Offer]) -> list[Offer]:
    """Return those offers of a package that are of the repository from which alone it may come."""
    return [
        one
        for one in offers
        if not one.urls
        or all(
            any(place(url) == place(found) for found in one.urls)
            for pattern, url in request.of_origin.items()
            if matching([name], [pattern], {name: one.source})
        )
    ]


def _require_origin(request: Request, name: str, offers: Sequence[Offer], allowed: Sequence[Offer]) -> None:
    """Refuse a package that only other repositories than its own have."""
    if offers and not allowed:
        ours = " and ".join({*request.of_origin.values()})
        others = ", ".join(sorted({url for one in offers for url in one.urls}))
        raise EvenkeelError(
            "The repository %s does not have the package %s, but others have: %s" % (ours, name, others),
            "Choose a version that it has, or set the source of the driver to where the package is",
        )


def _versions(offers: Mapping[str, Sequence[Offer]], name: str) -> list[str]:
    return [one.version for one in offers.get(name, ())]


def place(url: str) -> str:
    """Return a repository's URL as package managers print it: one form of it, without credentials.

    >>> place("file:///srv/nvidia/"), place("https://user:word@mirror/nvidia")
    ('file:/srv/nvidia', 'https://mirror/nvidia')
    """
    url = re.sub(r"^file:/+", "file:/", url).rstrip("/")
    return re.sub(r"^(https?://)[^/@]*@", r"\1", url)


def _either(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")


def _lines(texts: Sequence[str]) -> str:
    return "".join("%s\n" % text for text in sorted(texts))
