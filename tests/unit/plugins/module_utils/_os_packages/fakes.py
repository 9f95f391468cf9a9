# SPDX-License-Identifier: GPL-3.0-or-later
"""Package managers for unit tests.

``FakeManager`` has what a test gives it, changes it as a real one would, and records it all. ``FakePrograms`` are what
the real ones run.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge, manager_lock, repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Offer, Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository, Trial

STAGED = ("staged=yes",)
STAGED_SOURCE = "/staged/evenkeel.sources"


@dataclass
class FakeManager:
    """A node's package manager.

    manager = FakeManager({"driver": "1-1"}, repositories={"driver": ["2-1", "1-1"]})
    manager.serve(monkeypatch)

    Parameters
    ----------
    packages
        What is installed, with versions. Transactions change it.
    holds
        The packages that are held.
    repositories
        The versions that the repositories have of each package, newest first.
    pins
        The version that a package gets if none is named; else the newest.
    brings
        What else changes when a package is installed: names with versions; an empty version is a removal.
    built_from
        The source package of those that are built from one of another name.
    urls
        The repositories that have a package at a version, by ``NAME=VERSION``.
    takes
        What else goes when a package is removed.
    size
        The installed size of packages in bytes, by ``NAME=VERSION``.
    allowed
        The version that preferences allow of packages of which they forbid others; empty where no repository has it.
    by_hand
        The settings that somebody has changed, by the package that brought them.
    rests
        Packages that are removed, but for their settings.
    unfinished
        What a killed run left unfinished.
    stubborn
        What of it can't be finished.
    doomed
        What finishing it would remove.
    fresh
        Whether the node has never fetched any list of packages.
    unfetched
        Why lists of some repositories can't be fetched.
    enable
        What to do where the distribution's repositories are not enabled.
    failures
        What a call raises, by what ``calls`` would say of it, or by the first word of that.
    during
        What else happens in a call, by the same; a failure comes after it.
    user
        Who changes packages at this moment.
    contents
        The files of each downloaded package, with their texts.
    calls
        What was called that changes something or asks the repositories, in order; ``staged: `` stands before what a
        manager was asked that sees the files on trial.
    timeouts
        How long each manager of the node was to wait for a lock.
    rehearsals
        Of each trial, whether it never takes effect.
    ours
        Of each trial, the repositories that no file of others may name.
    limits
        How long a question to the repositories may take.
    swept
        The calls right after which folders of killed runs were removed.
    """

    packages: dict[str, str] = field(default_factory=dict)
    holds: set[str] = field(default_factory=set)
    repositories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    brings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    built_from: Mapping[str, str] = field(default_factory=dict)
    urls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    takes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    size: Mapping[str, int] = field(default_factory=dict)
    allowed: Mapping[str, str] = field(default_factory=dict)
    by_hand: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rests: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    stubborn: Sequence[str] = ()
    doomed: Sequence[str] = ()
    fresh: bool = False
    unfetched: str = ""
    enable: str = ""
    failures: Mapping[str, EvenkeelError] = field(default_factory=dict)
    during: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    user: str = ""
    contents: Mapping[str, str] = field(default_factory=dict)
    name: str = "apt"
    exact: str = "%s=%s"
    calls: list[str] = field(default_factory=list)
    settings: tuple[str, ...] = ()
    timeouts: list[int] = field(default_factory=list)
    limits: list[int | None] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)
    rehearsals: list[bool] = field(default_factory=list)
    ours: list[set[Repository | None]] = field(default_factory=list)

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the manager of the node; repositories and files are tried and applied without touching the disk."""

        def manager_of_node(
            settings: tuple[str, ...] = (), lock_timeout: int = 300, limit: int | None = None
        ) -> FakeManager:
            served = copy.copy(self)
            served.settings = settings
            self.timeouts.append(lock_timeout)
            self.limits.append(limit)
            return served

        @contextmanager
        def trial(
            of: Repository | None, also: Mapping[str, str | None], *, coming: Repository | None, rehearsal: bool
        ) -> Iterator[FakeTrial]:
            self.rehearsals.append(rehearsal)
            self.ours.append({of, coming})
            changes = tuple(kept_files.plan({}, {path: kept_files.Kept(text) for path, text in also.items() if text}))
            yield FakeTrial(of, changes, STAGED, STAGED_SOURCE if of else "", calls=self.calls)

        monkeypatch.setattr(converge, "manager_of_node", manager_of_node)
        monkeypatch.setattr(repository, "trial", trial)
        monkeypatch.setattr(work_folder, "remove_abandoned", lambda: self.swept.append(self.calls[-1]))

    def installed(self) -> dict[str, str]:
        return {name: version for name, version in self.packages.items() if name not in self.unfinished}

    def known(self) -> dict[str, str]:
        return {**dict.fromkeys(self.unfinished, ""), **self.packages}

    def held(self) -> set[str]:
        return set(self.holds)

    def versions(self, name: str) -> list[str]:
        return list(self.repositories.get(name, []))

    def alike(self, name: str) -> list[str]:
        return sorted(one for one in self.repositories if re.sub(r"\d+", "", one) == re.sub(r"\d+", "", name))

    def sources(self) -> dict[str, str]:
        self._called("sources")
        return {name: self.built_from.get(name, name) for name in self.packages}

    def offers(self, names: Sequence[str]) -> dict[str, list[Offer]]:
        return {
            name: [
                Offer(version, self.built_from.get(name, name), tuple(self.urls.get(f"{name}={version}", ())))
                for version in self.versions(name)
            ]
            for name in names
            if name in self.repositories
        }

    def simulate(self, install: Sequence[str], remove: Sequence[str]) -> list[Step]:
        self._called("simulate", *install, *(f"{name}-" for name in remove))
        return self._steps(install, remove)

    def forbidden(self, names: Sequence[str]) -> dict[str, str]:
        found = {name: self.allowed[name] for name in names if name in self.allowed}
        return {name: version for name, version in found.items() if self.packages.get(name) != version}

    def sizes(self, packages: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return {one: self.size[self.exact % one] for one in packages if self.exact % one in self.size}

    def apply(self, install: Sequence[str], remove: Sequence[str]) -> None:
        steps = self._steps(install, remove)
        self._called("apply", *install, *(f"{name}-" for name in remove))
        for step in steps:
            if step.after:
                self.packages[step.name] = step.after
            else:
                self.packages.pop(step.name, None)
                self.rests.append(step.name)
                if step.name in self.unfinished:
                    self.unfinished.remove(step.name)

    def edited(self, names: Sequence[str]) -> dict[str, list[str]]:
        return {name: list(self.by_hand[name]) for name in names if name in self.by_hand}

    def remnants(self, names: Sequence[str]) -> list[str]:
        return [name for name in self.rests if name in names]

    def purge(self, names: Sequence[str]) -> None:
        self._called("purge", *names)
        self.rests[:] = [name for name in self.rests if name not in names]

    def reinstall(self, names: Sequence[str]) -> None:
        self._called("reinstall", *names)
        self.holds.difference_update(names)

    def hold(self, names: Sequence[str]) -> None:
        self._called("hold", *names)
        self.holds.update(names)

    def release(self, names: Sequence[str]) -> None:
        self._called("release", *names)
        self.holds.difference_update(names)

    def wait(self) -> None:
        self._called("wait")

    def busy(self) -> str:
        return self.user

    def interrupted(self) -> list[str]:
        return list(self.unfinished)

    def repairs(self) -> list[Step]:
        return [Step(name, self.packages[name], "") for name in self.doomed]

    def heal(self) -> None:
        self._called("heal")
        self.unfinished[:] = [name for name in self.unfinished if name in self.stubborn]
        if self.unfinished:
            raise EvenkeelError(f"dpkg cannot configure {self.unfinished}", "Look")

    def refresh(self, source: str) -> str:
        self._called("refresh", *([source] if source else []))
        return "" if source else self.unfetched

    def never_asked(self) -> bool:
        return self.fresh

    def lacks_distribution(self, source: str) -> str:
        return self.enable

    def download(self, spec: str, folder: str) -> str:
        self._called("download", spec)
        path = Path(folder, "package")
        path.touch()
        return str(path)

    def unpack(self, package: str, folder: str) -> None:
        self._called("unpack")
        for path, text in self.contents.items():
            file = Path(folder, path.lstrip("/"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _called(self, *words: str) -> None:
        said = " ".join(words)
        self.calls.append(f"staged: {said}" if self.settings else said)
        for key in (said, words[0]):
            if key in self.during:
                self.during[key]()
        for key in (said, words[0]):
            if key in self.failures:
                raise self.failures[key]

    def _steps(self, install: Sequence[str], remove: Sequence[str]) -> list[Step]:
        wanted: dict[str, str] = {}
        for spec in install:
            name, version = self._parsed(spec)
            wanted[name] = version
            wanted.update(self.brings.get(name, {}))
        for name in remove:
            wanted[name] = ""
            wanted.update(dict.fromkeys(self.takes.get(name, ()), ""))
        return [
            Step(name, self.packages.get(name, ""), version)
            for name, version in wanted.items()
            if self.packages.get(name, "") != version or (name in self.unfinished and not version)
        ]

    def _parsed(self, spec: str) -> tuple[str, str]:
        for name, versions in self.repositories.items():
            for version in versions:
                if spec == self.exact % (name, version):
                    return name, version
        return spec, self.pins.get(spec) or next(iter(self.repositories.get(spec, [])), "1-1")


@dataclass(frozen=True)
class FakeTrial(Trial):
    """A repository on trial that takes effect by being recorded."""

    calls: list[str] = field(default_factory=list)

    def apply(self) -> None:
        """Record it."""
        self.calls.append("files take effect")


Reply = str | Done | Callable[[Sequence[str]], Done]


class FakePrograms:
    """The programs of a node: what they answer, by their names with underscores, and how they were called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **replies: Reply | list[Reply]) -> None:
        self.replies = replies
        self.calls: list[list[str]] = []
        monkeypatch.setattr(command, "run", self._run)
        monkeypatch.setattr(manager_lock, "wait", self._wait)
        monkeypatch.setattr(manager_lock, "busy", lambda paths: f"{paths[0]} is locked")
        self.limits: list[float | None] = []

    def of(self, program: str) -> list[list[str]]:
        """Return the arguments of each call of a program."""
        return [argv[1:] for argv in self.calls if argv[0] == program]

    def _run(self, argv: Sequence[str], timeout: float | None = None, **_: object) -> Done:
        self.calls.append(list(argv))
        self.limits.append(timeout)
        reply = self.replies[Path(argv[0]).name.replace("-", "_")]
        if isinstance(reply, list):
            reply = reply.pop(0)
        return Done(0, reply, "") if isinstance(reply, str) else reply(argv) if callable(reply) else reply

    def _wait(self, paths: Sequence[str], timeout: float) -> None:
        assert paths
        self.calls.append(["wait", str(timeout)])
