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

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager, Refused, Step

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
        Packages that may change only to the version that this mapping of patterns to versions names.
    refuse
        Packages that must not change at all.
    may_go
        Packages that may be removed when that is what it takes.
    """

    wanted: tuple[Wanted, ...] = ()
    absent: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    of_version: Mapping[str, str] = field(default_factory=dict)
    refuse: tuple[str, ...] = ()
    may_go: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What it takes; empty where nothing has to change."""

    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    hold: tuple[str, ...] = ()
    release: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.install or self.remove or self.hold or self.release)

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        gone = ["%s %s" % (step.name, step.before) for step in self.steps if step.before]
        come = ["%s %s" % (step.name, step.after) for step in self.steps if step.after]
        header = {"before_header": "packages", "after_header": "packages"}
        held = ["held: %s" % name for name in self.hold]
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
    remove = matching(installed, request.absent)
    install = tuple(spec(manager.exact, one, manager.versions(one.name)) for one in lacking(request.wanted, installed))
    steps = tuple(manager.simulate(install, remove)) if install or remove else ()
    judge(request, steps, held)
    kept = after(installed, steps)
    # A hold may be one of a version, as dnf's are.
    changed = {step.name for step in steps if step.after}
    to_hold = tuple(name for name in matching(kept, request.hold) if name not in held or name in changed)
    return Plan(install, remove, steps, to_hold, matching(held, request.release))


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


def matching(names: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """Return those names that one of the patterns matches, sorted."""
    wanted = re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
    return tuple(sorted(name for name in names if wanted.match(name)))


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
        No repository has the package, or none has the version.
    """
    if not versions:
        raise EvenkeelError(
            "No repository of the node has the package %s" % wanted.name,
            "Check the repository's address and that it is of this distribution",
        )
    found = [full for full in versions if matches(full, wanted.version)]
    if not found:
        known = ", ".join(dict.fromkeys(upstream(full) for full in versions[:_NAMED_VERSIONS]))
        more = " and %d more" % (len(versions) - _NAMED_VERSIONS) if len(versions) > _NAMED_VERSIONS else ""
        raise EvenkeelError(
            "The repositories have no version %s of %s; they have %s%s" % (wanted.version, wanted.name, known, more),
            "Choose one of these, or a repository that has it",
        )
    return exact % (wanted.name, found[0]) if wanted.version else wanted.name


def judge(request: Request, steps: Sequence[Step], held: Iterable[str] = ()) -> None:
    """Refuse a transaction that changes what it must not.

    Parameters
    ----------
    held
        The packages that are held; those that aren't ours to hold stay as they are.

    Raises
    ------
    Refused
        It would; the message names the packages.
    """
    names = [step.name for step in steps]
    forbidden = set(matching(names, request.refuse))
    _refuse((step for step in steps if step.name in forbidden), "would change what it must not")
    foreign = set(held) - set(matching(held, (*request.hold, *request.release, *request.absent)))
    _refuse((step for step in steps if step.name in foreign), "would change what somebody holds")
    gone = [step.name for step in steps if not step.after]
    allowed = set(matching(gone, (*request.absent, *request.may_go)))
    _refuse((step for step in steps if not step.after and step.name not in allowed), "would remove others")
    for pattern, version in request.of_version.items():
        family = set(matching(names, [pattern]))
        others = (step for step in steps if step.name in family and step.after and not matches(step.after, version))
        _refuse(others, "would bring other versions than %s" % version)


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


def _lines(texts: Sequence[str]) -> str:
    return "".join("%s\n" % text for text in sorted(texts))
