# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of small packages that are on this disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock

from lab.upstream.conda import conda_package

MakeLock = Callable[..., Path]
MakePackage = Callable[..., Package]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the user a home of its own, without any configuration, and in memory: builds wait for disks."""
    for name in ("CONDARC", "CONDA_EXE", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    memory = Path("/dev/shm")  # noqa: S108
    with TemporaryDirectory(prefix="evenkeel-home-", dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        monkeypatch.setenv("HOME", folder)
        yield Path(folder)


@pytest.fixture
def make_package(tmp_path: Path) -> MakePackage:
    """Return a function that writes a package with a file, its script of activation if any, and returns it."""

    def make(
        name: str,
        version: str,
        *,
        depends: tuple[str, ...] = (),
        activate: str = "",
        url: str = "",
        size: int = 0,
    ) -> Package:
        tree = tmp_path / "trees" / f"{name}-{version}"
        (tree / "share").mkdir(parents=True)
        (tree / "share" / name).write_text(version)
        (tree / "share" / f"{name}.more").write_bytes(os.urandom(size))
        if activate:
            (tree / "etc/conda/activate.d").mkdir(parents=True)
            (tree / "etc/conda/activate.d" / f"{name}.sh").write_text(activate)
        package = conda_package.Package(name, version, "0", 0, "linux-64", depends)
        channel = tmp_path / "channel"
        path = conda_package.write(package, tree, channel / "linux-64")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        place = f"{url or channel.as_uri()}/linux-64/{path.name}"
        return Package(name, version, "0", sha256, url=place, size=path.stat().st_size, depends=depends)

    return make


@pytest.fixture
def make_lock(tmp_path: Path) -> MakeLock:
    """Return a function that writes the lock of an environment and returns its path."""

    def make(
        *packages: Package,
        name: str = "ai-dev",
        platform: str = "linux-64",
        variables: Mapping[str, str] | None = None,
        assumed: Mapping[str, str] | None = None,
    ) -> Path:
        lock = Lock(
            channels=("https://repo.example/main",),
            sources=("environment.yml",),
            packages={platform: packages},
            content_hash={platform: "aa" * 32},
            virtual_packages={platform: dict(assumed or {})},
            variables=variables or {},
        )
        path = tmp_path / "environments" / name / "conda-lock.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(conda_lock.render(lock, name))
        return path

    return make
