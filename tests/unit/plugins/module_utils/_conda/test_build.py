# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import linking as installers
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_delivery import Delivery
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from lab.upstream.conda import conda_package, sample_packages
from lab.upstream.conda.debian_python import PYTHONS
from lab.upstream.pypi import sample_wheels

LINKED = frozenset({"lib/a.pyc"})
COMPILED = {"lib/a.pyc": "ab"}
DELIVERY = Delivery()
RECORDS = ("/opt/x", ("numpy",), COMPILED)
JOB: Any = SimpleNamespace(prefix="/opt/x", pkgs="/opt/pkgs", specs=("numpy",), packages=(), offer=None)
CLOBBERED = ("/opt/x", ())
TOOLS: Any = object()


class Steps:
    """What is called, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, problem: Exception | None = None) -> None:
        self.called: list[Any] = []
        self.problem = problem
        self.ahead, self.received = threading.Event(), threading.Event()
        for name in ("receive", "link_ahead", "install", "compile_environment", "note_files_of_scripts"):
            monkeypatch.setattr(builder, name, getattr(self, name))
        monkeypatch.setattr(builder.conda_records, "write", lambda *what: self.called.append(what))
        monkeypatch.setattr(builder.clobbered_files, "note", lambda *what: self.called.append(what))
        monkeypatch.setattr(builder.private_caches, "make", lambda pkgs: self.called.append("caches"))
        monkeypatch.setattr(builder.modes, "share", lambda prefix: self.called.append("share"))

    def link_ahead(self, job: Any) -> frozenset[str]:
        self.called.append("ahead")
        self.ahead.set()
        return LINKED

    def install(self, job: Any, installer: str, tools: Any) -> None:
        assert self.received.wait(60), "nothing is fetched beside the installer"
        if installer == "rattler":
            assert self.ahead.wait(60), "nothing is linked beside the installer"
        self.called.append(installer)
        if self.problem:
            raise self.problem

    def receive(self, job: Any) -> Delivery:
        self.received.set()
        return DELIVERY

    def compile_environment(self, job: Any, linked: frozenset[str], delivery: Delivery) -> Done:
        assert delivery is DELIVERY
        self.called.append(linked)
        return Done(COMPILED)

    def note_files_of_scripts(self, prefix: str) -> None:
        self.called.append(prefix)


@pytest.mark.parametrize(
    ("installer", "called"),
    [
        ("rattler", ["caches", "ahead", "rattler", LINKED, CLOBBERED, RECORDS, "/opt/x", "share"]),
        ("conda", ["caches", "conda", frozenset(), CLOBBERED, RECORDS, "/opt/x", "share"]),
    ],
)
def test_order(monkeypatch: pytest.MonkeyPatch, installer: str, called: list[Any]) -> None:
    steps = Steps(monkeypatch)
    builder.build(JOB, installer, TOOLS)
    assert steps.called == called


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_nothing_is_compiled_after_a_failure(monkeypatch: pytest.MonkeyPatch, installer: str) -> None:
    steps = Steps(monkeypatch, EvenkeelError("The mirror is gone", "Wait"))
    with pytest.raises(EvenkeelError, match="The mirror is gone"):
        builder.build(JOB, installer, TOOLS)
    assert set(steps.called) <= {"caches", "ahead", installer}


# what packages bring, with the real py-rattler and the real uv

SITE = PYTHONS[0].site_packages


class Silence:
    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Tell nobody."""


def job(directory: Path, name: str, *packages: Package) -> Job:
    return Job(name, str(directory / name), packages, (), str(directory / "pkgs"), 2, 60, "", Silence())


def tools(directory: Path) -> Tools:
    """Return what the tests' own Python has."""
    runtime = directory / "runtime"
    if not runtime.exists():
        (runtime / "bin").mkdir(parents=True)
        (runtime / "site-packages").symlink_to(sysconfig.get_path("purelib"))
        (runtime / "bin" / "uv").symlink_to(Path(sysconfig.get_path("scripts"), "uv"))
    return Tools("", sys.executable, str(runtime))


def permissive(channel: Path) -> list[Package]:
    """Return packages whose files others may write, in a channel that has them."""
    (channel / "empty").mkdir(parents=True)
    python = conda_package.Package("python", PYTHONS[0].full_version, "0", 0, "linux-64", ())
    made = [conda_package.write(python, channel / "empty", channel / "linux-64")]
    samples = map(sample_packages.permissive, (PYTHONS[0], None))
    made += [sample_packages.build(sample, channel / sample.package.subdir) for sample in samples]
    found = []
    for path in made:
        name, version, build = path.stem.rsplit("-", 2)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Package(name, version, build, sha256, url=path.as_uri(), size=path.stat().st_size))
    return found


def unsafe(tree: Path) -> list[str]:
    """Return what others may write or not read of a tree."""
    found = [path for path in tree.rglob("*") if not path.is_symlink()]
    wrong = [path for path in found if path.stat().st_mode & 0o7777 not in (0o755, 0o644)]
    return [f"{path.stat().st_mode:o} {path}" for path in wrong]


def test_conda_packages_become_everybodys_to_read_and_roots_to_write(tmp_path: Path) -> None:
    packages = permissive(tmp_path / "channel")
    mask = os.umask(0o002)
    try:
        for name in ("cold", "warm"):
            builder.build(job(tmp_path, name, *packages), "rattler", tools(tmp_path))
            prefix = tmp_path / name
            assert prefix.stat().st_mode & 0o777 == 0o700
            assert unsafe(prefix) == []
            assert modes.loose_entrances(str(prefix)) == ()
            assert (prefix / "bin" / "permissive").stat().st_mode & 0o7777 == 0o755
            for module in ("permissive", "permissive_noarch"):
                assert (prefix / SITE / module / "__init__.py").read_text() == f'PREFIX = "{prefix}"\n'
    finally:
        os.umask(mask)
    pth = f"{SITE}/permissive.pth"
    cached = tmp_path / "pkgs" / "rattler" / "permissive-1.0-py311_0" / pth
    assert cached.samefile(tmp_path / "cold" / pth)
    assert cached.samefile(tmp_path / "warm" / pth)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pkgs").iterdir()} == {0o700}


def test_wheels_become_so_too_and_uv_shares_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = sample_wheels.write(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    package = Package(sample_wheels.NAME, "1.0", "", digest, PIP, url=wheel.as_uri(), index=tmp_path.as_uri())
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    seen = []

    def virtual_environment(job: Job, tools: Tools) -> None:
        subprocess.run([tools.python, "-m", "venv", "--without-pip", "--symlinks", job.prefix], check=True)
        (Path(job.prefix) / "conda-meta").mkdir()

    def run(argv: Any, variables: Any, *more: Any) -> Any:
        seen.append(Path(variables["TMPDIR"]).stat().st_mode & 0o777)
        return original(argv, variables, *more)

    original = installers.run
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(installers, "install_with_conda", virtual_environment)
    monkeypatch.setattr(installers, "run", run)
    builder.build(job(tmp_path, "environment", package), "conda", tools(tmp_path))
    assert seen == [0o700]
    assert list(temporary.iterdir()) == []
    prefix = tmp_path / "environment"
    assert unsafe(prefix) == []
    (site,) = prefix.glob("lib/python3*/site-packages")
    assert {path for path in sample_wheels.FILES if ".data/" not in path} <= {
        str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()
    }
    assert (prefix / "bin" / "permissive-wheel").stat().st_mode & 0o7777 == 0o755
