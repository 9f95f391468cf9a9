# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Compile the bytecode of a lock's packages with the lock's own Python, in the sandbox in which wheels are built.

The packages are unpacked and none of their code runs: Python reads their sources and writes bytecode. What it wrote is
read as a stranger's. Nodes compile with the same program and the same division of work, so their bytes are the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_compiler, clobbered_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import files_of_packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_compiler import UNCHECKED_HASH
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import (
    Python,
    Source,
    bytecode_of,
    plan,
    python_of,
    sources_of,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_workers import (
    ENVIRONMENT,
    OPTIONS,
    Task,
    batches,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import InstalledFile
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import requirement
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import sandbox
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.foreign_files import is_regular
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits, Place
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.wheel_build import cache
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import build_requirements, failure, interpreter
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHost, BuildHosts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import LOCK_SECONDS, this_platform

#: How many files the work is divided into: as many as processes may work at once.
_SHARES = 64
#: Of what one package may have as bytecode.
_MOST_BYTES = 1 << 30
_PYTHONS = ("python", "python_abi")
_SCRIPT = """
set -eu
python=$1 given=$2
mkdir answers
"$python" -I -S -B -c 'import importlib.util, sys; sys.stdout.write(importlib.util.MAGIC_NUMBER.hex())' >magic
ls "$given/requests" | xargs -P "$(nproc)" -I NUMBER sh -c '
    exec "$2" {options} -c "$(cat "$3/compiler.py")" <"$3/requests/$1" >"answers/$1"' sh NUMBER "$python" "$given"
tar --create --file result.tar magic answers bytecode
""".replace("{options}", " ".join(OPTIONS))


@dataclass(frozen=True)
class Policy:
    """Where compilers run."""

    hosts: BuildHosts
    #: Compile as the control node's user where the kernel gives no sandbox.
    without_sandbox: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Compiled:
    """What was compiled."""

    #: What bytecode of this Python begins with, in hexadecimal digits.
    magic: str
    #: Of each package, path below a prefix to content, which is empty where the source does not compile; nothing where
    #: nodes compile it.
    bytecode: Mapping[Package, Mapping[str, bytes]]


class NowhereToCompileError(EvenkeelError):
    """There is no machine that a platform's Python runs on."""


def candidates(packages: Iterable[Package]) -> list[Package]:
    """Return the packages that can have bytecode: Python, conda's that depend on it, and pip's with a hash; pure."""
    return [
        package
        for package in packages
        if package.sha256
        and (
            package.manager == PIP
            or package.name == "python"
            or any(re.split(r"[^\w.-]", text, maxsplit=1)[0] in _PYTHONS for text in package.depends)
        )
    ]


def compile_packages(
    policy: Policy,
    target: Target,
    packages: Sequence[Package],
    wanted: Sequence[Package],
    mirrors: Mirrors,
    places: Mapping[str, str],
) -> Compiled:
    """Return the bytecode of packages of a lock.

    Parameters
    ----------
    policy
        Where compilers run.
    target
        What the lock is for.
    packages
        All of the lock, with the paths of built wheels.
    wanted
        Those to compile.
    mirrors, places
        Where conda's packages are, and uv's variables that name where pip's are.

    Raises
    ------
    NowhereToCompileError
        Neither the control node nor a builder host runs this platform's Python.
    EvenkeelError
        A package can't be fetched, or the compiler failed.
    """
    python = python_of(packages)
    if python is None:
        return Compiled("", {})
    try:
        with _Work(f"bytecode-{target.platform}").begun() as work:
            return work.compiled(policy, target, python, packages, wanted, mirrors, places)
    except OSError as error:
        path = path_of(error) or str(cache())
        raise EvenkeelError(
            f"The bytecode could not be compiled: {path}: {error.strerror or error}",
            f"{way_out(error, path)}, or name another cache directory with XDG_CACHE_HOME",
        ) from error


class _Work:
    """One compilation: what the compiler is given, read-only, and the directory that is its own."""

    def __init__(self, name: str) -> None:
        self.home = cache() / name
        self.given, self.own, self.root = self.home / "given", self.home / "own", self.home / "root"

    @contextlib.contextmanager
    def begun(self) -> Iterator[_Work]:
        cache().mkdir(parents=True, exist_ok=True)
        cache().chmod(0o700)
        with held(str(cache() / "locks" / self.home.name), LOCK_SECONDS):
            shutil.rmtree(self.home, ignore_errors=True)
            for directory in (self.given / "requests", self.own / "bytecode", self.root):
                directory.mkdir(parents=True)
            try:
                yield self
            finally:
                shutil.rmtree(self.home, ignore_errors=True)

    def compiled(
        self,
        policy: Policy,
        target: Target,
        python: Python,
        packages: Sequence[Package],
        wanted: Sequence[Package],
        mirrors: Mirrors,
        places: Mapping[str, str],
    ) -> Compiled:
        place = self._place(policy, target.platform)
        of_conda = [package for package in packages if package.manager != PIP]
        own_python = interpreter.linked(of_conda, mirrors, self.home / "python", target.platform)
        found = self._unpacked(
            replace(own_python, platform=target.python_platform), target, of_conda, wanted, mirrors, places
        )
        fresh = {package: sources_of(files, python) for package, (_prefix, files) in found.items()}
        planned = plan({}, fresh, python).store
        tasks: dict[Package, list[Task]] = {}
        for package, sources in planned.items():
            if self._take_sources(found[package][0], sources.shared):
                tasks[package] = list(self._tasks(package, sources.shared, python))
        self._write_requests(list(tasks.values()))
        self._run(place, own_python, policy.limits)
        expected = {str(Path(task.target).relative_to(self.own)): task for group in tasks.values() for task in group}
        magic, written = self._result(place, expected)
        bytecode: dict[Package, dict[str, bytes]] = {package: {} for package in wanted}
        for package, group in tasks.items():
            for task in group:
                content = written.get(str(Path(task.target).relative_to(self.own)), b"")
                bytecode[package][bytecode_of(task.name, python.tag)] = content
        return Compiled(magic, bytecode)

    def _place(self, policy: Policy, platform: str) -> Place | BuildHost:
        lacking = sandbox.lacking(self.root)
        host = policy.hosts.for_platform(platform, this_platform(), sandbox=not lacking)
        if host:
            return host
        if platform != this_platform():
            raise NowhereToCompileError(
                f"The Python of {platform} does not run on the control node, so nodes of that platform compile their "
                "bytecode themselves",
                "Name a host of that platform with compile_build_host",
            )
        if lacking and not policy.without_sandbox:
            raise EvenkeelError(
                f"The control node has no sandbox to compile in: {lacking}",
                "Allow user namespaces there and install util-linux; or name a host of the inventory that has one with "
                "compile_build_host; or run Ansible as root; or, if the lock's Python may see this user's files and "
                "the network, set compile_without_sandbox: true",
            )
        return Place(None if lacking else self.root)

    def _unpacked(
        self,
        python: interpreter.Interpreter,
        target: Target,
        of_conda: Sequence[Package],
        wanted: Sequence[Package],
        mirrors: Mirrors,
        places: Mapping[str, str],
    ) -> dict[Package, tuple[Path, list[InstalledFile]]]:
        """Unpack packages; return of each where it is, and its files."""
        conda, pip = self.home / "conda", self.home / "pip"
        asked = set(wanted)
        needed = [package for package in of_conda if package in asked or package.name == interpreter.PYTHON]
        interpreter.unpack(needed, mirrors, conda, target.platform)
        clobbered_files.settle(str(conda), needed)
        wheels = [package for package in wanted if package.manager == PIP]
        if wheels:
            lines = [requirement(_fetchable(package, mirrors)).strip() for package in wheels]
            build_requirements.make_environment(pip, lines, python, places, "The lock's pip packages")
        library = python_of(of_conda)
        found: dict[Package, tuple[Path, list[InstalledFile]]] = {}
        for prefix, some in ((conda, [one for one in wanted if one.manager != PIP]), (pip, wheels)):
            if library and some:
                for package, files in files_of_packages(str(prefix), some, library):
                    found[package] = prefix, list(files)
        return found

    def _take_sources(self, prefix: Path, sources: Iterable[Source]) -> bool:
        """Give the compiler the sources of a package; return whether they are what the package brought."""
        for source in sources:
            path, target = prefix / source.path, self.given / "sources" / source.path
            if not is_regular(path) or (source.sha256 and sha256_of(str(path)) != source.sha256):
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
        return True

    def _tasks(self, package: Package, sources: Iterable[Source], python: Python) -> Iterator[Task]:
        stage = self.own / "bytecode" / package.sha256
        for source in sources:
            target = str(stage / bytecode_of(source.path, python.tag))
            yield Task(str(self.given / "sources" / source.path), source.path, target, source.sha256, source.size)

    def _write_requests(self, groups: Sequence[Sequence[Task]]) -> None:
        shutil.copyfile(bytecode_compiler.__file__, self.given / "compiler.py")
        for number, batch in enumerate(batches(groups)):
            with (self.given / "requests" / str(number % _SHARES)).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps([task[:4] for task in batch]) + "\n")

    def _run(self, place: Place | BuildHost, python: interpreter.Interpreter, limits: Limits) -> None:
        log = cache() / "logs" / f"{self.home.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        ended = place.run(
            ["/bin/sh", "-c", _SCRIPT, "compile", str(python.program), str(self.given)],
            self.own,
            log,
            {"PATH": sandbox.PATH, **ENVIRONMENT},
            writable=[self.own],
            readable=[python.prefix, self.given],
            limits=limits,
        )
        if ended.cut_short or ended.status:
            why = ended.cut_short or f"it ended with status {ended.status}"
            last = failure.last_lines(log.read_text(encoding="utf-8", errors="replace"))
            raise EvenkeelError(
                f"The compiler failed on {place.name}: {why}. {f'It printed, at last:{chr(10)}{last}' if last else ''}",
                f"Read all that it printed in {log}",
            )
        log.unlink()

    def _result(self, place: Place | BuildHost, expected: Mapping[str, Task]) -> tuple[str, dict[str, bytes]]:
        """Read what the compiler has written: the beginning of its bytecode, and contents by path."""
        result = self.own / "result.tar"
        place.bring(result, self.own)
        if not is_regular(result) or result.resolve() != result:
            raise _unsound("it left no result")
        found: dict[str, bytes] = {}
        try:
            with tarfile.open(result, "r:") as archive:
                for member in archive:
                    if member.isdir():
                        continue
                    is_answer = member.name == "magic" or re.fullmatch(r"answers/\d+", member.name)
                    if not member.isreg() or not (is_answer or member.name in expected) or member.name in found:
                        raise _unsound(f"its result has {member.name!r}")
                    if member.size > _MOST_BYTES:
                        raise _unsound(f"{member.name} has {member.size} bytes")
                    stream = archive.extractfile(member)
                    found[member.name] = stream.read() if stream else b""
        except (tarfile.TarError, EOFError) as error:
            raise _unsound(f"its result can't be read: {error}") from None
        magic = found.pop("magic", b"")
        for name in [name for name in found if name not in expected]:
            _require_answers(found.pop(name))
        begins = bytes.fromhex(magic.decode()) + UNCHECKED_HASH if re.fullmatch(rb"[0-9a-f]{8}", magic) else b""
        if not begins or not all(content.startswith(begins) for content in found.values()):
            raise _unsound("its result is no bytecode")
        return magic.decode(), found


def _require_answers(content: bytes) -> None:
    """Require that a compiler could read and write what it was asked to."""
    for line in content.splitlines():
        with contextlib.suppress(ValueError, TypeError):
            if "error" in (answer := json.loads(line)):
                raise EvenkeelError(f"The compiler failed: {answer['error']}", "Free space, then run again")


def _fetchable(package: Package, mirrors: Mirrors) -> Package:
    """Return one of pip's packages as uv gets it on the control node; a built wheel from its file."""
    if is_built(package):
        url = Path(package.url).as_uri()
        return replace(package, url=url, index=url)
    return replace(package, url=mirrors.mirrored(package.url), index=mirrors.mirrored(package.index))


def _unsound(how: str) -> EvenkeelError:
    return EvenkeelError(f"What compiled the bytecode is not to be trusted: {how}", "Nothing was kept; report it")
