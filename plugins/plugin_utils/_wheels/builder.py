# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Make wheels of releases that are only sources, once, on the control node or a builder host, for one target.

The network is asked for the source, the lock's Python and the build requirements, which are wheels; the project's own
code runs in a sandbox without one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import sandbox
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.foreign_files import (
    JSON_BYTES,
    is_regular,
    is_wheel_name,
    json_object,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits, Place
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.wheel_build import cache
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_credentials import with_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build, SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import (
    backend_worker,
    build_requirements,
    failure,
    interpreter,
    result,
    source_tree,
    store,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHost, BuildHosts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.interpreter import Interpreter
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.project import BuildSystem, build_system
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import Made, Store

with optional():
    from packaging.version import Version

#: How long to wait for another run on this control node that builds for the same target.
LOCK_SECONDS = 7200
#: The oldest time that a wheel's archive can hold.
SOURCE_DATE_EPOCH = "315532800"


@dataclass(frozen=True)
class Policy:
    """How wheels are built, and where they are kept."""

    store: Store
    hosts: BuildHosts
    #: Build as the control node's user, with its network and files, where the kernel gives no sandbox.
    without_sandbox: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Question:
    """What wheels are built for; its fields are those of ``building``."""

    target: Target
    of_conda: tuple[Package, ...]
    mirrors: Mirrors
    places: Mapping[str, str]


@contextlib.contextmanager
def building(
    policy: Policy, target: Target, of_conda: tuple[Package, ...], mirrors: Mirrors, places: Mapping[str, str]
) -> Iterator[Build]:
    """Yield what builds for one target; what builds need meanwhile goes with the block.

    Parameters
    ----------
    policy
        How wheels are built, and where they are kept.
    target
        Where they run.
    of_conda
        conda's packages of the environment, Python among them.
    mirrors
        Where these are.
    places
        uv's variables that name where build requirements come from.
    """
    builder = _Builder(policy, Question(target, of_conda, mirrors, places))
    try:
        yield builder.build
    finally:
        builder.close()


def this_platform() -> str:
    """Return conda's name of the control node's platform; empty where it has none that nodes have."""
    return PLATFORMS.get(os.uname().machine, "") if sys.platform == "linux" else ""


class _Builder:
    def __init__(self, policy: Policy, question: Question) -> None:
        self.question, self.policy = question, policy
        self.home = cache() / f"{question.target.platform}-python{question.target.python}"
        self._open = contextlib.ExitStack()
        self._begun = False
        self._place: tuple[Place | BuildHost, Interpreter] | None = None

    def close(self) -> None:
        self._open.close()

    def build(self, release: SourceRelease) -> Path:
        """Return the wheel of a release, from the store where it has one."""
        try:
            return self._built(release)
        except OSError as error:
            path = path_of(error) or str(cache())
            raise EvenkeelError(
                f"The wheel of {release.name} could not be built: {path}: {error.strerror or error}",
                f"{way_out(error, path)}, or name another cache directory with XDG_CACHE_HOME",
            ) from error

    def _built(self, release: SourceRelease) -> Path:
        minor = ".".join(self.question.target.python.split(".")[:2])
        known = self._known(release, minor)
        if not known:
            self._begin()
            known = self._known(release, minor)  # of another run, which this one has waited for
        if known:
            return known
        place, python = self._place = self._place or self._found_place()
        stem = f"{release.name}-{release.version or release.sha256 or source_tree.parts_of(release.url)[1]}"
        log = self._log(f"{stem}-{self.question.target.platform}")
        work = _Work(release, self.home / stem, log, place, python, self.policy.limits)
        wheel, system, requirements = work.wheel(self.question)
        found = result.check(wheel, release, self.question.target, by_the_locks_python=python.of_lock)
        made = Made(
            name=release.name,
            version=found.version,
            source=release.url,
            source_sha256=release.sha256,
            python=minor,
            platform=store.ANY if found.pure else self.question.target.platform,
            backend=system.backend,
            requirements=requirements,
            wheel=wheel.name,
            sha256=sha256_of(str(wheel)),
        )
        kept = self.policy.store.add(wheel, made)
        work.log.unlink()
        return kept

    def _known(self, release: SourceRelease, minor: str) -> Path | None:
        """Return the wheel of a release that the store has."""
        wheel = self.policy.store.find(release, minor, self.question.target.platform)
        if wheel:
            try:
                result.check(wheel, release, self.question.target, by_the_locks_python=True)
            except result.UnsoundWheelError as error:
                raise EvenkeelError(error.what, store.way_back(wheel.parent)) from None
        return wheel

    def _begin(self) -> None:
        """Take the directory of builds for this target, which another run may hold."""
        if not self._begun:
            cache().mkdir(parents=True, exist_ok=True)
            cache().chmod(0o700)  # a build can leave programs that are set-uid
            self._open.enter_context(held(str(cache() / "locks" / self.home.name), LOCK_SECONDS))
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir(parents=True)
            self._open.callback(shutil.rmtree, self.home, ignore_errors=True)
            self._begun = True

    def _found_place(self) -> tuple[Place | BuildHost, Interpreter]:
        """Return where to build, and what with."""
        target, hosts, root = self.question.target, self.policy.hosts, self.home / "root"
        root.mkdir()
        lacking = sandbox.lacking(root)
        host = hosts.for_platform(target.platform, this_platform(), sandbox=not lacking)
        if host:
            glibc = min(target.glibc, host.glibc, key=Version)
            return host, replace(self._linked(), platform=replace(target, glibc=glibc).python_platform)
        if lacking and not self.policy.without_sandbox:
            raise EvenkeelError(
                f"The control node has no sandbox to build wheels in: {lacking}",
                "Allow user namespaces there and install util-linux; or name a host of the inventory that has one with "
                "lock_build_host; or run Ansible as root; or, if what is built may see this user's files and the "
                "network, set lock_build_without_sandbox: true",
            )
        is_same = target.platform == this_platform()
        return Place(None if lacking else root), self._linked() if is_same else interpreter.of_control_node()

    def _linked(self) -> Interpreter:
        question = self.question
        return interpreter.linked(question.of_conda, question.mirrors, self.home / "python", question.target.platform)

    def _log(self, name: str) -> Path:
        log = cache() / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        return log


class _Work:
    """One build: what it is given, read-only, and the directory that is its own."""

    def __init__(
        self,
        release: SourceRelease,
        home: Path,
        log: Path,
        place: Place | BuildHost,
        python: Interpreter,
        limits: Limits,
    ) -> None:
        self.release, self.log, self.place, self.python, self.limits = release, log, place, python, limits
        self.what = f"{release.name} {release.version}".strip()
        self.given, self.own, self.environment = home / "given", home / "build", home / "environment"
        for directory in (self.given, self.own, self.own / "home", self.own / "tmp", self.own / "wheels"):
            directory.mkdir(parents=True)
        shutil.copyfile(backend_worker.__file__, self.given / "worker.py")

    def wheel(self, question: Question) -> tuple[Path, BuildSystem, tuple[str, ...]]:
        """Build; return the wheel, what built it, and the exact build requirements."""
        project = self._project(question)
        system = build_system(self._ask(self.python.program, do="look", project=project)["pyproject"], self.what)
        call = {"project": project, "backend": system.backend, "backend_path": list(system.backend_path)}
        requirements = self._environment(list(system.requires), question.places)
        answer = self._ask(self._venv_python, do="requires", **call)
        more = build_requirements.checked(answer.get("requires"), self.what)
        if more:
            requirements = self._environment([*system.requires, *more], question.places)
        name = self._ask(self._venv_python, do="wheel", target=str(self.own / "wheels"), **call).get("wheel")
        wheel = self.own / "wheels" / str(name)
        if is_wheel_name(name):
            self.place.bring(wheel, self.own)
        if not is_wheel_name(name) or not is_regular(wheel) or wheel.resolve() != wheel:
            raise self._failed("it made no wheel")
        return wheel, system, requirements

    @property
    def _venv_python(self) -> Path:
        return self.environment / "bin" / "python"

    def _project(self, question: Question) -> str:
        """Fetch the source; return where its project is."""
        if source_tree.is_commit(self.release):
            return str(source_tree.fetch_commit(self.release, self.own))
        indexes = re.split(r"[\s,]+", " ".join(question.places.values()))
        url = with_credentials(question.mirrors.mirrored(self.release.url), indexes)
        archive = source_tree.fetch_archive(self.release, url, self.given)
        target = self.own / "source"
        target.mkdir()
        return str(self._ask(self.python.program, do="unpack", archive=str(archive), target=str(target))["project"])

    def _environment(self, requires: list[str], places: Mapping[str, str]) -> tuple[str, ...]:
        """Make the build's environment anew; return what is in it."""
        shutil.rmtree(self.environment, ignore_errors=True)
        found = build_requirements.resolve(requires, self.python, places, self.what)
        what = f"The build requirements of {self.what}"
        build_requirements.make_environment(self.environment, found, self.python, places, what)
        return found

    def _ask(self, python: Path, **request: Any) -> dict[str, Any]:
        """Have the worker do something in the sandbox; return its answer."""
        (self.given / "request.json").write_text(json.dumps(request), encoding="utf-8")
        answer = self.own / f"{request['do']}.json"
        argv = [str(python), "-I", "-B", *map(str, (self.given / "worker.py", self.given / "request.json", answer))]
        ended = self.place.run(
            argv,
            self.own,
            self.log,
            self._variables(),
            writable=[self.own],
            readable=[self.python.prefix, self.given, *([self.environment] if self.environment.exists() else [])],
            limits=self.limits,
        )
        if ended.cut_short or ended.status:
            raise self._failed(ended.cut_short or f"it ended with status {ended.status}")
        self.place.bring(answer, self.own, JSON_BYTES)
        try:
            return json_object(answer)
        except (OSError, ValueError) as error:
            raise self._failed(f"its backend left no right answer: {error}") from None

    def _variables(self) -> dict[str, str]:
        path = [
            f"{self.environment}/bin",
            f"{sandbox.CUDA}/bin",
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
            "/usr/sbin",
            "/sbin",
        ]
        return {
            "PATH": ":".join(path),
            "HOME": str(self.own / "home"),
            "TMPDIR": str(self.own / "tmp"),
            "LC_ALL": "C.UTF-8",
            "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _failed(self, how: str) -> EvenkeelError:
        """Return the error of a build: what it lacked, its last lines, and where all of them are."""
        output = self.log.read_text(encoding="utf-8", errors="replace")
        why = failure.lacked(output, self.place.name) or how
        last = failure.last_lines(output)
        printed = f"It printed, at last:\n{last}" if last else "It printed nothing"
        return EvenkeelError(
            f"The wheel of {self.what} could not be built: {why}. {printed}",
            f"Read all that it printed in {self.log}; provide what it lacks, or choose a release that has a wheel",
        )
