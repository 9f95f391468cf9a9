# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A named conda environment as a link to one of its generations."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda_cli import explain_failure
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import (
    disk_full,
    link_atomically,
    require_normalised,
    write_atomically,
)

#: Beside conda's own bookkeeping; without a suffix, since conda reads every ``conda-meta/*.json`` as a package.
MARKER = os.path.join("conda-meta", "evenkeel")
FROZEN = os.path.join("conda-meta", "frozen")
NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
RESERVED_NAMES = ("base", "root")
#: Hexadecimal digits of the digest in a generation's path: short enough for the kernel's limit on a shebang line.
DIGEST_DIGITS = 16

RunCommand = Callable[..., "tuple[int, str, str]"]


@dataclass(frozen=True, order=True)
class Package:
    """One exact conda package; ``url`` may differ between mirrors and is no part of its identity."""

    name: str
    version: str
    build: str
    sha256: str
    url: str = ""

    @property
    def identity(self) -> str:
        return "=".join((self.name, self.version, self.build, self.sha256))


@dataclass(frozen=True)
class Request:
    """What the operator asks for, before any solve."""

    packages: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Generation:
    """One complete build of the environment."""

    path: str
    request: Request
    #: The packages that it was built from.
    packages: tuple[Package, ...]
    #: The packages that its records name now.
    actual: tuple[Package, ...]
    #: Whether its marker is there and whole.
    marked: bool = True

    @property
    def intact(self) -> bool:
        return digest(self.actual) == digest(self.packages)


@dataclass(frozen=True)
class State:
    """What the node has of one environment."""

    #: ``absent``, ``ours`` or, in words, what stands at the name that Evenkeel did not make.
    link: str
    current: Generation | None
    generations: tuple[Generation, ...]
    #: Builds that were interrupted.
    leftovers: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What has to happen, in this order: remove, adopt, build, record the request, switch."""

    request: Request
    packages: tuple[Package, ...]
    remove: tuple[str, ...]
    build: bool
    record: bool
    switch: bool
    path: str
    before: tuple[Package, ...]
    #: The build in use, when it has lost its marker and another one takes its place.
    adopt: Generation | None = None

    @property
    def changed(self) -> bool:
        return bool(self.remove) or self.build or self.record or self.switch

    @property
    def diff(self) -> dict[str, str]:
        return {"before": describe(self.before), "after": describe(self.packages)}


def check(root: str, name: str) -> None:
    """Refuse what can't work before anything is read or changed."""
    require_normalised("root", root)
    if name in RESERVED_NAMES:
        raise EvenkeelError(
            "name is %r, which is the distribution's own environment" % name, "Choose another name; base stays clean"
        )
    if not re.fullmatch(NAME_PATTERN, name):
        raise EvenkeelError(
            "name is %r, which is no name of an environment" % name,
            "Use letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'",
        )


def digest(packages: Iterable[Package]) -> str:
    """Return the environment's digest, the same on every node with the same packages."""
    lines = sorted(package.identity for package in packages)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def describe(packages: Iterable[Package]) -> str:
    """Return one line a package, for people and for diffs."""
    return "".join("%s %s %s\n" % (package.name, package.version, package.build) for package in sorted(packages))


def installed(prefix: str) -> tuple[Package, ...]:
    """Read the packages of the environment at ``prefix`` from its records, without starting conda.

    A package whose record can't be understood counts as missing.
    """
    packages = []
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        with open(path, encoding="utf-8") as stream, contextlib.suppress(ValueError, TypeError, KeyError):
            packages.append(package_from(json.load(stream)))
    return tuple(sorted(packages))


def package_from(record: Mapping[str, Any]) -> Package:
    """Return the package that a record of conda or of a solve describes."""
    return Package(
        name=record["name"],
        version=record["version"],
        build=record["build"],
        sha256=record.get("sha256") or "",
        url=record.get("url") or "",
    )


def link_of(root: str, name: str) -> str:
    """Where people find the environment."""
    return os.path.join(root, "envs", name)


def generations_of(root: str, name: str) -> str:
    """Where the environment's builds are."""
    return os.path.join(root, "generations", name)


def read(root: str, name: str) -> State:
    """Read the node's state from the file system."""
    link, home = link_of(root, name), generations_of(root, name)
    kind, target = "absent", None
    if os.path.islink(link):
        target = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        kind = "ours" if os.path.dirname(target) == home else "a symbolic link to %s" % target
    elif os.path.lexists(link):
        kind = "a directory" if os.path.isdir(link) else "a file"

    generations, leftovers = [], []
    for path in sorted(entry.path for entry in os.scandir(home) if entry.is_dir()) if os.path.isdir(home) else []:
        generation = read_generation(path)
        if generation is None and path == target:
            # In use, so it was complete, whatever has become of its marker; it is never removed under its users.
            packages = installed(path)
            generation = Generation(path, Request((), ()), packages, packages, marked=False)
        if generation is None:
            leftovers.append(path)
        else:
            generations.append(generation)
    current = next((generation for generation in generations if generation.path == target), None)
    return State(kind, current, tuple(generations), tuple(leftovers))


def read_generation(path: str) -> Generation | None:
    """Return the complete build at ``path``; None when it was interrupted, since the marker comes last, and whole."""
    try:
        with open(os.path.join(path, MARKER), encoding="utf-8") as stream:
            marker = json.load(stream)
    except (FileNotFoundError, ValueError):
        return None
    return Generation(
        path=path,
        request=Request(tuple(marker["request"]["packages"]), tuple(marker["request"]["channels"])),
        packages=tuple(package_from(record) for record in marker["packages"]),
        actual=installed(path),
    )


def known_packages(state: State, request: Request) -> tuple[Package, ...] | None:
    """Return the packages that this very request was answered with before; None when it has to be solved."""
    if state.current is not None and state.current.request == request:
        return state.current.packages
    return None


def plan(state: State, root: str, name: str, request: Request, packages: Sequence[Package]) -> Plan:
    """Decide; pure."""
    if state.link not in ("absent", "ours"):
        raise EvenkeelError(
            "%s is %s that Evenkeel did not make; it was left as it is" % (link_of(root, name), state.link),
            "Move it away, or choose another name",
        )
    wanted = digest(packages)
    usable = [generation for generation in state.generations if generation.intact]
    alike = [generation for generation in usable if digest(generation.packages) == wanted]
    found = state.current if state.current in alike else next(iter(alike), None)
    taken = {generation.path for generation in state.generations}
    path = found.path if found else free_path(os.path.join(generations_of(root, name), wanted[:DIGEST_DIGITS]), taken)
    return Plan(
        request=request,
        packages=tuple(sorted(packages)),
        remove=state.leftovers,
        adopt=state.current if state.current and not state.current.marked and state.current.path != path else None,
        build=found is None,
        record=found is not None and found.request != request,
        switch=state.current is None or state.current.path != path,
        path=path,
        before=state.current.actual if state.current else (),
    )


def free_path(path: str, taken: Iterable[str]) -> str:
    """Return ``path``, or with a number where a drifted build of the same digest stands there already."""
    number, candidate = 1, path
    while candidate in taken:
        number += 1
        candidate = "%s-%d" % (path, number)
    return candidate


def apply(plan: Plan, root: str, name: str, conda: str, run_conda: RunCommand) -> None:
    """Bring the node to the plan's end. What fails half-way is removed; what is killed half-way is healed next time."""
    try:
        for path in plan.remove:
            shutil.rmtree(path)
        if plan.adopt:
            write_marker(plan.adopt.path, plan.adopt.request, plan.adopt.packages)
        if plan.build:
            build(plan, root, name, conda, run_conda)
        elif plan.record:
            write_marker(plan.path, plan.request, plan.packages)
        if plan.switch:
            link = link_of(root, name)
            link_atomically(link, os.path.relpath(plan.path, os.path.dirname(link)))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(root) from error
        raise EvenkeelError("%s: %s" % (error.filename or root, error.strerror), "Mend it and run again") from error


def build(plan: Plan, root: str, name: str, conda: str, run_conda: RunCommand) -> None:
    """Let conda make the environment from exact packages at a path that nobody uses yet."""
    if not os.access(conda, os.X_OK):
        raise EvenkeelError(
            "%s, which builds the environment %s, is no program" % (conda, name),
            "Install the conda distribution first, or say where its command is",
        )
    os.makedirs(generations_of(root, name), mode=0o755, exist_ok=True)
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as explicit:
            explicit.write(explicit_file(plan.packages))
            explicit.flush()
            status, out, err = run_conda(
                [conda, "create", "--json", "--yes", "--quiet", "--prefix", plan.path, "--file", explicit.name],
                environ_update={"CONDA_PKGS_DIRS": os.path.join(root, "pkgs"), "CONDA_REGISTER_ENVS": "false"},
            )
        if status != 0:
            if "No space left" in out + err or "NoSpaceLeftError" in out:
                raise disk_full(root)
            raise EvenkeelError(
                "conda could not build the environment %s: %s" % (name, explain_failure(out, err)),
                "Nothing was changed; mend the cause and run again",
                rc=status,
                stdout=out,
                stderr=err,
            )
        built = installed(plan.path)
        if digest(built) != digest(plan.packages):
            wrong = {package.identity for package in built} ^ {package.identity for package in plan.packages}
            raise EvenkeelError(
                "conda built the environment %s from other packages than asked for: %s"
                % (name, ", ".join(sorted(wrong))),
                "The mirror's packages and its index disagree; refresh the mirror",
            )
        message = (
            "Evenkeel keeps this environment the same on every node. Change its packages in the inventory and run "
            "site.yml, or make an environment of your own: conda create --name mine --clone %s" % name
        )
        write_atomically(os.path.join(plan.path, FROZEN), json.dumps({"message": message}) + "\n")
        write_marker(plan.path, plan.request, plan.packages)
    except BaseException:
        shutil.rmtree(plan.path, ignore_errors=True)
        raise


def explicit_file(packages: Iterable[Package]) -> str:
    """Return the text that conda installs without a solve; its hashes are checked on download."""
    return "@EXPLICIT\n" + "".join("%s#%s\n" % (package.url, package.sha256) for package in packages)


def write_marker(path: str, request: Request, packages: Sequence[Package]) -> None:
    """Declare the build at ``path`` complete."""
    content = {
        "digest": digest(packages),
        "packages": [asdict(package) for package in packages],
        "request": asdict(request),
    }
    marker = os.path.join(path, MARKER)
    os.makedirs(os.path.dirname(marker), mode=0o755, exist_ok=True)
    write_atomically(marker, json.dumps(content, indent=1, sort_keys=True) + "\n")
