# SPDX-License-Identifier: GPL-3.0-or-later
"""Small channels and indexes, on the disk alone."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from lab.upstream.conda import channel as lab_channel
from lab.upstream.conda import conda_package

from .package_site import Site

#: Name, version, subdir and what it depends on; besides the distribution that its site-packages tell, if any.
Entry = tuple[str, str, str, tuple[str, ...]]
MakeChannel = Callable[..., str]
MakeWheel = Callable[..., Path]


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what py-rattler, uv and Evenkeel cache, and whatever this machine configures, out of the tests."""
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "rattler"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for name in [
        name for name in os.environ if name.startswith(("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA", "UV_CACHE"))
    ]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def make_channel(tmp_path_factory: pytest.TempPathFactory) -> MakeChannel:
    """Return a function that makes a channel of packages and returns its URL."""

    def make(
        packages: Iterable[Entry],
        distributions: dict[str, str] | None = None,
        folder: Path | None = None,
        metadata: dict[str, str] | None = None,
    ) -> str:
        directory = folder or tmp_path_factory.mktemp("channel")
        for name, version, subdir, depends in packages:
            tree = tmp_path_factory.mktemp("tree")
            if distribution := (distributions or {}).get(name):
                file = tree / "lib/python3.11/site-packages" / f"{distribution}-{version}.dist-info" / "METADATA"
                file.parent.mkdir(parents=True)
                file.write_text(f"Name: {distribution}\n{(metadata or {}).get(name, '')}")
            package = conda_package.Package(name, version, "0", 0, subdir, depends)
            conda_package.write(package, tree, directory / subdir)
        lab_channel.index(directory)
        return directory.as_uri()

    return make


@pytest.fixture(scope="session")
def make_wheel() -> MakeWheel:
    """Return a function that writes a wheel into a folder and returns its path."""

    def make(folder: Path, name: str, version: str, requires: Iterable[str] = (), tag: str = "py3-none-any") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{name}-{version}-{tag}.whl"
        metadata = [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            *(f"Requires-Dist: {one}\n" for one in requires),
        ]
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}-{version}.dist-info/METADATA", "".join(metadata))
            archive.writestr(
                f"{name}-{version}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
            )
            archive.writestr(f"{name}-{version}.dist-info/RECORD", "")
        return wheel

    return make


@pytest.fixture
def index(tmp_path: Path, make_wheel: MakeWheel) -> Callable[[], str]:
    """Return a function that writes the simple index of the wheels in ``tmp_path/wheels`` and returns its URL."""

    def write() -> str:
        simple = tmp_path / "simple"
        wheels = sorted((tmp_path / "wheels").glob("*"))
        for project in {wheel.name.split("-")[0] for wheel in wheels}:
            (simple / project.replace("_", "-")).mkdir(parents=True, exist_ok=True)
            links = "".join(
                f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n'
                for wheel in wheels
                if wheel.name.split("-")[0] == project
            )
            (simple / project.replace("_", "-") / "index.html").write_text(
                f"<!DOCTYPE html><html><body>{links}</body></html>"
            )
        return simple.as_uri()

    return write


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Run a web server of packages in ``tmp_path/site``."""
    folder = tmp_path / "site"
    folder.mkdir()
    made = Site(folder)
    threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
