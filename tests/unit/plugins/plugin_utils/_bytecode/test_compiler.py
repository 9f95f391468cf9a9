# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a few files, compiled in the real sandbox with this machine's Python in the place of a lock's."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import platform
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_compiler
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import read_manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import sandbox
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import compiler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.compiler import Compiled, Policy, candidates
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import interpreter
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHosts, Host
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import this_platform

from lab.upstream.conda import conda_package
from lab.upstream.pypi import sample_wheels

from .._wheels.builder_host import BuilderHost
from .._wheels.conftest import require_namespaces

HERE = this_platform()
ELSEWHERE = next(one for one in ("linux-64", "linux-aarch64") if one != HERE)
MINOR = sys.version_info.minor
LIBRARY = f"lib/python3.{MINOR}"
SITE = f"{LIBRARY}/site-packages"
NODE = Target(platform.python_version(), HERE, "2.36")
#: Files whose bytecode depends on what was compiled before them where nobody takes care.
SHARING = "".join(f"def f{n}(shared, name{n}):\n    return shared.attribute{n}, 'text{n}', {n}.5\n" for n in range(40))


def no_host(name: str) -> Host:
    raise AssertionError(name)


class Channel:
    """A folder with the packages of a small environment."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.number = directory, 0
        program = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
        self.python = self.add(
            "python", {f"{LIBRARY}/os.py": "x = 1\n", "bin/python": program}, version=platform.python_version()
        )
        self.noarch = self.add(
            "tool",
            {f"site-packages/tool/m{n}.py": SHARING.replace("shared", f"shared{n % 3}") for n in range(30)}
            | {"site-packages/tool/bad.py": "print 'two'\n", "site-packages/tool/data.txt": "x"},
            depends=("python >=3",),
            noarch=True,
        )
        self.prefixed = self.add(
            "prefixed",
            {f"{SITE}/prefixed.py": f"x = {conda_package.PREFIX_PLACEHOLDER!r}\n", f"{SITE}/plain.py": "y = 2\n"},
            depends=("python",),
        )
        self.library = self.add("library", {"lib/liba.so": "no Python"})
        self.of_conda = (self.python, self.noarch, self.prefixed, self.library)

    def add(
        self,
        name: str,
        files: dict[str, str],
        version: str = "1.0",
        depends: tuple[str, ...] = (),
        *,
        noarch: bool = False,
    ) -> Package:
        self.number += 1
        tree = self.directory / f"tree-{self.number}"
        for path, content in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(content)
            (tree / path).chmod(0o755 if path.startswith("bin/") else 0o644)
        subdir = "noarch" if noarch else "linux-64"
        package = conda_package.Package(name, version, "0", 0, subdir, depends, noarch="python" if noarch else None)
        path = conda_package.write(package, tree, self.directory / subdir)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return Package(name, version, "0", sha256, url=path.as_uri(), size=path.stat().st_size, depends=depends)


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Channel:
    require_namespaces()
    own = interpreter.of_control_node()
    monkeypatch.setattr(interpreter, "linked", lambda *_unused: replace(own, of_lock=True))
    return Channel(tmp_path / "channel")


def compiled(
    packages: Sequence[Package], wanted: Iterable[Package] | None = None, hosts: BuildHosts | None = None, **target: str
) -> Compiled:
    policy = Policy(hosts or BuildHosts("", [HERE, ELSEWHERE], no_host))
    asked = candidates(packages) if wanted is None else list(wanted)
    return compiler.compile_packages(policy, replace(NODE, **target), packages, asked, Mirrors(), {})


def pyc(source: str) -> str:
    return importlib.util.cache_from_source(source)


class Quiet:
    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Tell nobody."""


def on_a_node(directory: Path, packages: tuple[Package, ...]) -> Path:
    """Build an environment as a node does that compiles itself."""
    runtime = directory / "runtime"
    runtime.mkdir(parents=True)
    (runtime / "site-packages").symlink_to(sysconfig.get_path("purelib"))
    job = Job("ai-dev", str(directory / "prefix"), packages, (), str(directory / "pkgs"), 2, 60, "", Quiet())
    builder.build(job, "rattler", Tools("", sys.executable, str(runtime)))
    return directory / "prefix"


def test_what_is_compiled_here_is_byte_for_byte_what_nodes_compile(channel: Channel, tmp_path: Path) -> None:
    found = compiled(channel.of_conda)
    assert found.magic == importlib.util.MAGIC_NUMBER.hex()
    prefix = on_a_node(tmp_path / "node", channel.of_conda)
    there = {path: content for files in found.bytecode.values() for path, content in files.items() if content}
    assert set(read_manifest(str(prefix))) == there.keys() | {pyc(f"{SITE}/prefixed.py")}
    assert {path: (prefix / path).read_bytes() for path in there} == there


def test_what_holds_the_prefix_is_left_out_and_what_does_not_compile_is_empty(channel: Channel) -> None:
    found = compiled(channel.of_conda).bytecode
    assert set(found) == {channel.python, channel.noarch, channel.prefixed}
    assert set(found[channel.python]) == {pyc(f"{LIBRARY}/os.py")}
    assert set(found[channel.prefixed]) == {pyc(f"{SITE}/plain.py")}
    assert {path for path, content in found[channel.noarch].items() if not content} == {pyc(f"{SITE}/tool/bad.py")}
    assert set(found[channel.noarch]) == {
        pyc(f"{SITE}/tool/{name}.py") for name in ("bad", *(f"m{n}" for n in range(30)))
    }


def test_a_part_has_the_same_bytes_as_in_the_whole(channel: Channel) -> None:
    whole, part = compiled(channel.of_conda), compiled(channel.of_conda, [channel.noarch])
    assert part.bytecode == {channel.noarch: whole.bytecode[channel.noarch]}


def test_wheels_are_compiled_as_they_are_installed(channel: Channel, tmp_path: Path) -> None:
    wheel = sample_wheels.write(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for package in (
        Package(sample_wheels.NAME, "1.0", "", digest, PIP, url=wheel.as_uri(), index=tmp_path.as_uri()),
        Package(sample_wheels.NAME, "1.0", "", digest, PIP, url=str(wheel)),  # built from source
    ):
        found = compiled((channel.python, package), [package]).bytecode[package]
        name = f"{SITE}/permissive_wheel/__init__.py"
        assert found == {pyc(name): bytecode_compiler.compiled(b"x = 1\n", name)}


def test_two_packages_with_the_same_file_are_left_to_nodes(channel: Channel) -> None:
    other = channel.add("other", {f"{SITE}/plain.py": "y = 3\n"}, depends=("python",))
    found = compiled((*channel.of_conda, other)).bytecode
    assert not found[other]
    assert not found[channel.prefixed]
    assert found[channel.noarch]


def test_none_of_the_packages_code_runs(channel: Channel, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = f"open({str(canary)!r}, 'w')\n"
    package = channel.add(
        "evil", {f"{SITE}/sitecustomize.py": evil, f"{SITE}/x.pth": f"import os; {evil}"}, depends=("python",)
    )
    assert compiled((channel.python, package)).bytecode[package]
    assert not canary.exists()


def test_what_a_killed_compiler_did_not_write_is_not_taken_for_files_that_do_not_compile(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed.py"
    before = "        code = compile("
    program = Path(bytecode_compiler.__file__).read_text()
    killed.write_text(program.replace(before, f"        os.kill(os.getpid(), 9)\n{before}", 1))
    monkeypatch.setattr(bytecode_compiler, "__file__", str(killed))
    with pytest.raises(EvenkeelError, match="The compiler failed on the control node: it ended with status"):
        compiled((channel.python,))


def test_a_builder_host_makes_the_same(channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nexec /usr/bin/python3 "$@"\n')  # which both machines have
    program.chmod(0o755)
    small = interpreter.Interpreter(program, platform.python_version(), program.parents[1], of_lock=True)
    monkeypatch.setattr(interpreter, "linked", lambda *_unused: small)
    here = compiled(channel.of_conda)
    host = BuilderHost("builder01", tmp_path / "builder")
    there = compiled(channel.of_conda, hosts=BuildHosts({HERE: "builder01"}, [HERE], lambda _name: host))
    assert there == here
    assert "run" in host.steps


def test_where_no_machine_runs_the_python_of_a_platform(channel: Channel) -> None:
    with pytest.raises(compiler.NowhereToCompileError, match=f"Python of {ELSEWHERE} does not run on the control node"):
        compiled(channel.of_conda, platform=ELSEWHERE)


def test_without_a_sandbox_nothing_is_started(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "lacking", lambda _root: "it is forbidden")
    with pytest.raises(EvenkeelError, match="no sandbox to compile in: it is forbidden"):
        compiled(channel.of_conda)


def test_nothing_is_left_behind(channel: Channel) -> None:
    compiled(channel.of_conda)
    left = [path for path in compiler.cache().rglob("*") if path.is_file() and "locks" not in path.parts]
    assert left == []


def test_a_lock_without_python_has_none(channel: Channel) -> None:
    assert compiled((channel.library,), []) == Compiled("", {})


@pytest.mark.parametrize(
    ("name", "kind", "content", "why"),
    [
        ("../x", tarfile.REGTYPE, b"", "its result has '../x'"),
        ("/etc/x", tarfile.REGTYPE, b"", "its result has '/etc/x'"),
        ("bytecode/x.pyc", tarfile.REGTYPE, b"", "its result has 'bytecode/x.pyc'"),
        ("magic", tarfile.SYMTYPE, b"", "its result has 'magic'"),
        ("magic", tarfile.LNKTYPE, b"", "its result has 'magic'"),
        ("magic", tarfile.CHRTYPE, b"", "its result has 'magic'"),
        ("magic", tarfile.REGTYPE, b"\0\0", "no bytecode"),
        ("magic", tarfile.REGTYPE, b"nonsense", "no bytecode"),
    ],
)
def test_what_a_compiler_may_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: bytes, content: bytes, why: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    work = compiler._Work("bytecode-test")
    work.own.mkdir(parents=True)
    with tarfile.open(work.own / "result.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, len(content), "/etc/shadow"
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises((EvenkeelError, ValueError), match=why):
        work._result(sandbox.Place(None), {})


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (Package("python", "3.11.2", "0", "ab"), True),
        (Package("six", "1", "0", "ab", depends=("python >=3",)), True),
        (Package("numpy", "1", "0", "ab", depends=("python_abi 3.11.*",)), True),
        (Package("six", "1", "", "ab", PIP), True),
        (Package("six", "1", "", "", PIP), False),
        (Package("cuda", "1", "0", "ab", depends=("pythonnet", "libcuda")), False),
    ],
)
def test_what_can_have_bytecode(package: Package, expected: bool) -> None:
    assert bool(candidates([package])) is expected
