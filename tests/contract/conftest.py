# SPDX-License-Identifier: GPL-3.0-or-later
"""A small channel on the loopback network, and a world to question conda in."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.upstream.conda.conda_package import Package, index_json, write
from tests.contract.world import World

PURE = {"certifi": "2026.10.18", "idna": "3.20", "pip": "26.3", "six": "1.17.0"}
# A package that nothing satisfies, and one that notes whether the environment has its history while it is linked.
SPECIAL = {
    "stuck": {"share/stuck": ""},
    "witness": {"bin/.witness-post-link.sh": '#!/bin/sh\nls "$PREFIX/conda-meta" > "$PREFIX/seen"\n'},
}


def _package(tree: Path, channel: Path, package: Package, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    write(package, tree, channel / package.subdir)


def _index(channel: Path, packages: list[Package]) -> None:
    """Write the plain index by hand: what a client makes of it is under test, not who wrote it."""
    for subdir in ("noarch", "linux-64"):
        entries = {}
        for package in packages:
            if package.subdir == subdir:
                content = (channel / subdir / package.file_name).read_bytes()
                entries[package.file_name] = index_json(package) | {
                    "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                }
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": entries, "repodata_version": 1}
        (channel / subdir / "repodata.json").write_text(json.dumps(index))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a channel at ``conda/main``: packages of the recordings, and special ones."""
    folder = tmp_path_factory.mktemp("mirror")
    channel, trees = folder / "conda" / "main", tmp_path_factory.mktemp("trees")
    python = Package(
        name="python", version="3.11.2", build="1_cpython", build_number=0, subdir="linux-64", depends=(),
        license="PSF-2.0",
    )  # fmt: skip
    (trees / "python" / "bin").mkdir(parents=True)
    (trees / "python" / "bin" / "python3").symlink_to("python")
    _package(trees / "python", channel, python, {"bin/python": f'#!/bin/sh\nexec {sys.executable} "$@"\n'})
    packages = [python]
    for name, version in PURE.items():
        package = Package(
            name=name, version=version, build="py_0", build_number=0, subdir="noarch", depends=("python >=3.9",),
            noarch="python", license="PSF-2.0", entry_points=("pip = pip:main",) if name == "pip" else (),
        )  # fmt: skip
        files = {
            f"site-packages/{name}/__init__.py": "",
            f"site-packages/{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n",
        }
        _package(trees / name, channel, package, files)
        packages.append(package)
    for name, files in SPECIAL.items():
        depends = ("no-such-package",) if name == "stuck" else ()
        package = Package(name=name, version="1.0", build="0", build_number=0, subdir="noarch", depends=depends)
        _package(trees / name, channel, package, files)
        packages.append(package)
    _index(channel, packages)
    return folder


@pytest.fixture(scope="session")
def server(mirror: Path) -> Iterator[str]:
    """Serve the mirror on the loopback network and return its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def world(tmp_path: Path, mirror: Path, server: str) -> World:
    """Return an empty world."""
    for name in ("home", "envs", "root"):
        (tmp_path / name).mkdir()
    return World(tmp_path, mirror, server)
