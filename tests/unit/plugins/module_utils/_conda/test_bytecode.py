# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytecode made by a real Python, this one, in environments of a few files."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode, bytecode_workers
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_cache import DamagedCache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import Index
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MINOR = sys.version_info.minor
TAG = sys.implementation.cache_tag
LIBRARY = f"lib/python3.{MINOR}"
SITE = f"{LIBRARY}/site-packages"
PYTHON = Package("python", f"3.{MINOR}.0", "0", "0" * 64)
IDNA = Package("idna", "3.20", "py_0", "1" * 64)
SIX = Package("six", "1.17.0", "", "2" * 64, PIP)
OTHER = Package("other", "1.0", "0", "3" * 64)


def pyc(source: str) -> str:
    directory, name = source.rsplit("/", 1)
    return f"{directory}/__pycache__/{name.removesuffix('.py')}.{TAG}.pyc"


OS, CORE, BAD, SIX_PY = f"{LIBRARY}/os.py", f"{SITE}/idna/core.py", f"{SITE}/idna/bad.py", f"{SITE}/six.py"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Progress:
    def __init__(self) -> None:
        self.updates: list[tuple[str, int, int, int, int]] = []

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        self.updates.append((step, packages, of, bytes_, of_bytes))


class Lab:
    """Environments beside one package cache.

    Each has as its Python a script that starts this one, so that it can be exchanged for what fails.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "pkgs" / "bytecode" / TAG
        self.progress = Progress()
        self.lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR)

    def environment(
        self, name: str, packages: Mapping[Package, Mapping[str, str]], rewritten: Mapping[str, str] | None = None
    ) -> Path:
        """Make an environment; ``rewritten`` files hold the prefix, and belong to the first package."""
        prefix = self.root / name
        (prefix / "conda-meta").mkdir(parents=True)
        for package, files in packages.items():
            for path, content in files.items():
                (prefix / path).parent.mkdir(parents=True, exist_ok=True)
                (prefix / path).write_text(content)
            if package.manager == PIP:
                self._list_of_pip(prefix, package, files)
            else:
                self._record(prefix, package, files, rewritten if package is next(iter(packages)) else None)
        self.python(prefix, f'exec {sys.executable} "$@"')
        return prefix

    def python(self, prefix: Path, script: str) -> None:
        (prefix / "bin").mkdir(exist_ok=True)
        (prefix / "bin" / "python").write_text(f"#!/bin/sh\n{script}\n")
        (prefix / "bin" / "python").chmod(0o755)

    def _record(
        self, prefix: Path, package: Package, files: Mapping[str, str], rewritten: Mapping[str, str] | None
    ) -> None:
        paths: list[dict[str, object]] = [
            {"_path": path, "path_type": "hardlink", "sha256": sha256(content.encode()), "size_in_bytes": len(content)}
            for path, content in files.items()
        ]
        for path, content in (rewritten or {}).items():
            (prefix / path).parent.mkdir(parents=True, exist_ok=True)
            (prefix / path).write_text(content % prefix)
            paths.append({"_path": path, "path_type": "hardlink", "sha256": "f" * 64, "prefix_placeholder": "/opt/x"})
        self.write_record(prefix, package, paths)

    def write_record(self, prefix: Path, package: Package, paths: list[dict[str, object]]) -> None:
        name = f"{package.name}-{package.version}-{package.build}.json"
        (prefix / "conda-meta" / name).write_text(json.dumps({"name": package.name, "paths_data": {"paths": paths}}))

    def _list_of_pip(self, prefix: Path, package: Package, files: Mapping[str, str]) -> None:
        home = prefix / SITE / f"{package.name}-{package.version}.dist-info"
        home.mkdir(parents=True)
        lines = []
        for path, content in files.items():
            signature = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
            lines.append(f"{os.path.relpath(path, SITE)},sha256={signature},{len(content)}\n")
        (home / "RECORD").write_text("".join(lines))

    def job(self, prefix: Path, *packages: Package) -> Job:
        pkgs = str(self.root / "pkgs")
        return Job("ai-dev", str(prefix), packages, (), pkgs, self.lock, 10, "", self.progress)

    def compile(self, prefix: Path, *packages: Package, workers: int = 1) -> dict[str, str]:
        manifest = dict(bytecode.compile_environment(self.job(prefix, *packages), workers).manifest)
        assert bytecode.read_manifest(str(prefix)) == manifest
        for path, digest in manifest.items():
            assert sha256((prefix / path).read_bytes()) == digest
        return manifest


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    os.close(lab.lock)


FILES = {
    PYTHON: {OS: "name = 'posix'\n", "bin/pydoc.py": "x = 1\n"},
    IDNA: {CORE: "def fail():\n    raise ValueError\n", BAD: "print 'two'\n", f"{SITE}/idna/data.txt": "x"},
    SIX: {SIX_PY: "six = 6\n"},
}


def test_bytecode_is_compiled_once_and_hardlinked(lab: Lab) -> None:
    first, second = lab.environment("a", FILES), lab.environment("b/deeper", FILES)
    manifest = lab.compile(first, PYTHON, IDNA, SIX)
    assert sorted(manifest) == sorted([pyc(OS), pyc(CORE), pyc(SIX_PY)])

    lab.python(second, "exit 3")
    assert lab.compile(second, PYTHON, IDNA, SIX) == manifest
    for path in manifest:
        assert (second / path).samefile(first / path)
        assert stat.S_IMODE((second / path).stat().st_mode) == 0o644
    assert sorted(path.name for path in lab.cache.iterdir()) == [package.sha256 for package in (PYTHON, IDNA, SIX)]


def test_bytecode_is_linked_ahead_of_the_packages_and_not_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = (PYTHON, IDNA, SIX)
    manifest = lab.compile(lab.environment("one", FILES), *packages)
    prefix = lab.root / "two"
    linked = bytecode.link_ahead(lab.job(prefix, *packages))
    assert linked == {pyc(OS), pyc(CORE)}
    for path in linked:
        assert (prefix / path).samefile(lab.root / "one" / path)

    for place in sorted((lab.root / "one").rglob("*")):
        copy = prefix / place.relative_to(lab.root / "one")
        if place.is_dir():
            copy.mkdir(exist_ok=True)
        elif place.suffix != ".pyc":
            shutil.copy2(place, copy)
    (prefix / pyc(CORE)).unlink()  # as an installer that began anew leaves it
    made: list[str] = []
    link = os.link
    monkeypatch.setattr(os, "link", lambda source, target: (made.append(target), link(source, target)))
    assert bytecode.compile_environment(lab.job(prefix, *packages), linked=linked).manifest == manifest
    assert sorted(made) == sorted(f"{prefix}/{pyc(path)}" for path in (CORE, SIX_PY))


@pytest.mark.parametrize("packages", [(PYTHON, OTHER), (OTHER,)], ids=["not all is there", "no Python"])
def test_nothing_is_linked_ahead(lab: Lab, packages: tuple[Package, ...]) -> None:
    lab.compile(lab.environment("one", FILES), PYTHON, IDNA, SIX)
    assert bytecode.link_ahead(lab.job(lab.root / "two", *packages)) == frozenset()
    assert not (lab.root / "two").exists()


def test_an_installer_that_begins_anew_is_no_damage(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.compile(lab.environment("one", FILES), PYTHON, IDNA, SIX)

    def vanish(source: str, target: str) -> None:
        shutil.rmtree(lab.root / "two")
        raise FileNotFoundError(target)

    monkeypatch.setattr(os, "link", vanish)
    assert bytecode.link_ahead(lab.job(lab.root / "two", PYTHON, IDNA, SIX)) == frozenset()
    assert (lab.cache / IDNA.sha256 / pyc(CORE)).exists()


def test_what_two_packages_claim_is_not_linked_ahead(lab: Lab) -> None:
    files = {PYTHON: {OS: "x = 1\n"}, IDNA: {CORE: "x = 2\n"}}
    lab.compile(lab.environment("one", files), PYTHON, IDNA)
    lab.compile(lab.environment("other", {PYTHON: {OS: "x = 1\n"}, OTHER: {CORE: "x = 3\n"}}), PYTHON, OTHER)
    assert bytecode.link_ahead(lab.job(lab.root / "two", PYTHON, IDNA, OTHER)) == {pyc(OS)}


def test_progress_is_told(lab: Lab) -> None:
    lab.compile(lab.environment("a", FILES), PYTHON, IDNA, SIX)
    size = sum(len(FILES[package][path]) for package, path in ((PYTHON, OS), (IDNA, CORE), (IDNA, BAD), (SIX, SIX_PY)))
    assert lab.progress.updates[-1] == ("compile", 4, 4, size, size)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_bytes_depend_on_the_source_alone(lab: Lab, workers: int) -> None:
    files = {OTHER: {f"{SITE}/m{n}.py": f"x = {n} in {{'a', 'b', 'c', 'd'}}\n" + "#" * 90_000 for n in range(20)}}
    prefix = lab.environment("a", {PYTHON: {}, **files})
    reference = lab.compile(lab.environment("reference", {PYTHON: {}, **files}), PYTHON, OTHER)
    shutil.rmtree(lab.cache)
    assert lab.compile(prefix, PYTHON, OTHER, workers=workers) == reference
    assert len(reference) == 20


def test_the_program_of_all_workers_is_read_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def getsource(module: ModuleType) -> str:
        read.append(module)
        return original(module)

    original = bytecode_workers.inspect.getsource
    monkeypatch.setattr(bytecode_workers.inspect, "getsource", getsource)
    files = {OTHER: {f"{SITE}/m{n}.py": "#" * 600_000 for n in range(2)}}
    lab.compile(lab.environment("a", {PYTHON: {}, **files}), PYTHON, OTHER, workers=2)
    assert read == [bytecode_workers.bytecode_compiler]


def run(prefix: Path, code: str) -> str:
    # Without packages of its own, of which one may have the same name.
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(prefix / SITE)!r})\n{code}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_python_uses_it_whatever_becomes_of_the_source_and_tracebacks_name_the_file(lab: Lab) -> None:
    lab.compile(lab.environment("first", FILES), PYTHON, IDNA, SIX)
    prefix = lab.environment("second", FILES)
    lab.compile(prefix, PYTHON, IDNA, SIX)
    (prefix / SIX_PY).write_text("six = 'compiled anew'\n")
    before = (prefix / pyc(SIX_PY)).stat()
    assert run(prefix, "import six; print(six.six)") == "6\n"
    assert (prefix / pyc(SIX_PY)).stat() == before
    code = "import idna.core, traceback\ntry: idna.core.fail()\nexcept ValueError: print(traceback.format_exc())"
    assert f'File "{prefix / CORE}", line 2, in fail' in run(prefix, code)


def test_what_holds_the_prefix_is_compiled_in_each_environment(lab: Lab) -> None:
    path = f"{SITE}/config.py"
    for name in ("a", "b"):
        prefix = lab.environment(name, {PYTHON: {}}, {path: "prefix = '%s'\n"})
        manifest = lab.compile(prefix, PYTHON)
        assert list(manifest) == [pyc(path)]
        (prefix / path).write_text("prefix = 'compiled anew'\n")
        assert run(prefix, "import config; print(config.prefix)") == f"{prefix}\n"
    assert [file.name for file in lab.cache.rglob("*") if file.is_file()] == ["index.json"]


def test_a_package_keeps_its_own_bytecode(lab: Lab) -> None:
    prefix = lab.environment("a", {PYTHON: {}, OTHER: {SIX_PY: "x = 1\n", pyc(SIX_PY): "its own"}})
    assert lab.compile(prefix, PYTHON, OTHER) == {}
    assert (prefix / pyc(SIX_PY)).read_text() == "its own"


@pytest.mark.parametrize("cached", [True, False])
def test_bytecode_of_an_installer_makes_way(lab: Lab, cached: bool) -> None:
    if cached:
        lab.compile(lab.environment("a", FILES), PYTHON, IDNA, SIX)
    prefix = lab.environment("b", FILES)
    stale = prefix / pyc(CORE)
    stale.parent.mkdir()
    stale.write_text("with the time of its source")
    assert pyc(CORE) in lab.compile(prefix, PYTHON, IDNA, SIX)


@pytest.mark.parametrize("cached", [True, False])
def test_a_path_of_two_packages_is_compiled_from_what_is_there(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    lost, won = {SIX_PY: "six = 'lost'\n"}, {SIX_PY: "six = 'won'\n"}
    if cached:
        lab.compile(lab.environment("a", {PYTHON: {}, OTHER: lost}), PYTHON, OTHER)
    monkeypatch.setattr(os, "link", lambda source, target: pytest.fail(f"linked {source}"))
    prefix = lab.environment("b", {PYTHON: {}, OTHER: lost, SIX: won})
    assert list(lab.compile(prefix, PYTHON, OTHER, SIX)) == [pyc(SIX_PY)]
    (prefix / SIX_PY).write_text("six = 'compiled anew'\n")
    assert run(prefix, "import six; print(six.six)") == "won\n"


def test_a_package_from_a_commit_is_not_cached(lab: Lab) -> None:
    package = Package("six", "1.17.0", "", "", PIP, url="git+https://git.example/six@" + "a" * 40)
    prefix = lab.environment("a", {PYTHON: {}, package: FILES[SIX]})
    assert list(lab.compile(prefix, PYTHON, package)) == [pyc(SIX_PY)]
    assert [path.name for path in lab.cache.iterdir()] == [PYTHON.sha256]


def test_a_name_of_pip_has_many_spellings(lab: Lab) -> None:
    written, asked = (Package(name, "1.0", "", "4" * 64, PIP) for name in ("Zope.Some_Thing", "zope-some-thing"))
    prefix = lab.environment("a", {PYTHON: {}, written: FILES[SIX]})
    assert list(lab.compile(prefix, PYTHON, asked)) == [pyc(SIX_PY)]


def test_no_python_no_bytecode(lab: Lab) -> None:
    prefix = lab.environment("a", FILES)
    (prefix / "bin" / "python").unlink()
    assert lab.compile(prefix, PYTHON, IDNA) == {}
    assert lab.compile(prefix, IDNA) == {}
    assert not lab.cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            lambda home: shutil.move(home, home.with_name(f".{home.name}.partial")), id="killed before the end"
        ),
        pytest.param(lambda home: (home / "index.json").unlink(), id="no index"),
        pytest.param(lambda home: (home / "index.json").write_text(""), id="an empty index"),
        pytest.param(lambda home: (home / "index.json").write_text("[]"), id="no index in it"),
        pytest.param(lambda home: shutil.rmtree(home), id="cleaned"),
    ],
)
def test_the_cache_heals(lab: Lab, damage: Callable[[Path], object]) -> None:
    manifest = lab.compile(lab.environment("a", FILES), PYTHON, IDNA, SIX)
    damage(lab.cache / IDNA.sha256)
    assert lab.compile(lab.environment("b", FILES), PYTHON, IDNA, SIX) == manifest
    assert sorted(path.name for path in lab.cache.iterdir()) == [package.sha256 for package in (PYTHON, IDNA, SIX)]
    lab.python(lab.environment("c", FILES), "exit 3")
    assert lab.compile(lab.root / "c", PYTHON, IDNA, SIX) == manifest


def test_a_cache_of_a_newer_evenkeel_is_refused_and_left(lab: Lab) -> None:
    lab.compile(lab.environment("a", FILES), PYTHON, IDNA, SIX)
    index = lab.cache / IDNA.sha256 / "index.json"
    assert json.loads(index.read_text())["format"] == 1
    index.write_text('{"format": 2, "files": {}}')
    prefix = lab.environment("b", FILES)
    for act in (bytecode.link_ahead, bytecode.compile_environment):
        with pytest.raises(EvenkeelError, match=rf"^{index} was written by a newer Evenkeel \(format 2"):
            act(lab.job(prefix, PYTHON, IDNA, SIX))
    assert index.read_text() == '{"format": 2, "files": {}}'
    assert (lab.cache / IDNA.sha256 / pyc(CORE)).exists()


def test_a_cache_that_lost_a_file_is_told_and_heals(lab: Lab) -> None:
    manifest = lab.compile(lab.environment("a", FILES), PYTHON, IDNA, SIX)
    (lab.cache / IDNA.sha256 / pyc(CORE)).unlink()
    with pytest.raises(DamagedCache, match=r"core.*pyc was missing"):
        lab.compile(lab.environment("b", FILES), PYTHON, IDNA, SIX)
    assert lab.compile(lab.environment("c", FILES), PYTHON, IDNA, SIX) == manifest


def test_a_source_that_is_not_its_package_s_is_an_error_and_never_cached(lab: Lab) -> None:
    prefix = lab.environment("a", FILES)
    (prefix / CORE).write_text("edited = True\n")
    with pytest.raises(DamagedCache, match=rf"{prefix / CORE} is not what the package idna brought.*idna-3\.20-py_0"):
        lab.compile(prefix, PYTHON, IDNA, SIX)
    assert not (lab.cache / IDNA.sha256).exists()


def test_a_worker_that_crashes_is_an_error(lab: Lab) -> None:
    prefix = lab.environment("a", FILES)
    lab.python(prefix, "echo 'Fatal Python error' >&2; kill -SEGV $$")
    with pytest.raises(EvenkeelError, match=rf"{prefix}/bin/python crashed while it compiled .* ai-dev") as caught:
        lab.compile(prefix, PYTHON, IDNA, SIX)
    assert caught.value.details == {"rc": -11, "stderr": "Fatal Python error\n"}


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "No space left on the file system of .*/pkgs"),
        (errno.EDQUOT, "No space left"),
        (errno.EIO, "ai-dev"),
    ],
)
def test_a_disk_that_fails_a_worker_is_an_error(lab: Lab, number: int, message: str) -> None:
    prefix = lab.environment("a", FILES)
    answer = json.dumps({"error": "x.pyc", "errno": number})
    lab.python(prefix, f"read line; echo '{answer}'")
    with pytest.raises(EvenkeelError, match=message):
        lab.compile(prefix, PYTHON, IDNA, SIX)


def test_a_worker_keeps_the_lock_and_sees_nothing_of_the_caller_s_environment(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/mine")
    prefix = lab.environment("a", FILES)
    lab.python(
        prefix, f'readlink /proc/$$/fd/{lab.lock} > {lab.root}/seen; env >> {lab.root}/seen; exec {sys.executable} "$@"'
    )
    lab.compile(prefix, PYTHON, IDNA, SIX)
    seen = (lab.root / "seen").read_text()
    assert seen.startswith(f"{lab.root}/lock\n")
    assert "PYTHONSTARTUP" not in seen


def test_another_file_system_gets_copies(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_file_system(source: str, target: str) -> NoReturn:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists", source)
        raise OSError(errno.EXDEV, "Invalid cross-device link", source)

    prefix = lab.environment("a", FILES)
    stale = prefix / pyc(CORE)
    stale.parent.mkdir()
    stale.write_text("with the time of its source")
    monkeypatch.setattr(os, "link", other_file_system)
    manifest = lab.compile(prefix, PYTHON, IDNA, SIX)
    assert {(prefix / path).stat().st_nlink for path in manifest} == {1}
    assert pyc(CORE) in manifest


def test_the_caller_s_mask_does_not_matter_and_stays(lab: Lab) -> None:
    before = os.umask(0o077)
    try:
        prefix = lab.environment("a", FILES)
        manifest = lab.compile(prefix, PYTHON, IDNA, SIX)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    for path in (*manifest, bytecode.MANIFEST):
        assert stat.S_IMODE((prefix / path).stat().st_mode) == 0o644
    assert stat.S_IMODE((prefix / pyc(CORE)).parent.stat().st_mode) == 0o755


@pytest.mark.parametrize("text", ["[1]", "{", "3"])
def test_a_broken_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / bytecode.MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"."):
        bytecode.read_manifest(str(tmp_path))


def test_what_the_index_tells(lab: Lab) -> None:
    lab.compile(lab.environment("a", {PYTHON: {}}, {f"{SITE}/config.py": "prefix = '%s'\n"}), PYTHON)
    content = json.loads((lab.cache / PYTHON.sha256 / "index.json").read_text())
    assert Index(content["bytecode"], tuple(content["rewritten"])) == Index({}, (f"{SITE}/config.py",))
