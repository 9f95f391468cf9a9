# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel of small conda packages with paths of every type, and environments of them built as the module does."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER

VERSION = ".".join(map(str, sys.version_info[:3]))
MINOR = ".".join(map(str, sys.version_info[:2]))
SITE = f"lib/python{MINOR}/site-packages"
BYTECODE = f"{SITE}/__pycache__/tool.{sys.implementation.cache_tag}.pyc"
SPECS = (f"python={MINOR}", "Hello >=1", "tool")
#: What packages hold: path to text, or to the target of a link.
FILES: Mapping[str, Mapping[str, str]] = {
    # This test's own Python, which compiles bytecode and stands where a package of Python would have it.
    "python": {f"bin/python{MINOR}": f'#!/bin/sh\nexec {sys.executable} "$@"\n', "bin/python": f"-> python{MINOR}"},
    "hello": {
        "bin/hello": f"#!{PREFIX_PLACEHOLDER}/bin/python\n",
        "lib/hello.txt": "hello\n",
        "lib/prefix.txt": f"{PREFIX_PLACEHOLDER}/lib\n",
        "lib/binary": f"\0{PREFIX_PLACEHOLDER}/lib\0behind",
        "lib/link.txt": "-> hello.txt",
        "lib/folder": "-> ../bin",
    },
    "tool": {
        "site-packages/tool.py": "def main(): ...\n",
        "site-packages/link.py": "-> tool.py",
        "python-scripts/script": f"#!{PREFIX_PLACEHOLDER}/bin/python\n",
    },
    "plain": {"share/plain": "plain\n"},
}
KINDS = (
    conda_package.Package("python", VERSION, "0", 0, "linux-64", ()),
    conda_package.Package("hello", "1.0", "0", 0, "linux-64", (f"python >={MINOR}", "tool"), license="MIT"),
    conda_package.Package(
        "tool", "1.0", "0", 0, "noarch", ("python",), noarch="python", entry_points=("tool = tool:main",)
    ),
    conda_package.Package("plain", "1.0", "0", 0, "noarch", (), ("hello >=1",)),
)


class Silence:
    """Where nobody looks at a build's progress."""

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Report it to nobody."""


class Channel:
    """The packages in a folder, and a node's package caches and runtime beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.packages = tuple(self._write(package) for package in KINDS)
        self.runtime = directory / "runtime"
        self.runtime.mkdir()
        (self.runtime / "site-packages").symlink_to(sysconfig.get_path("purelib"))

    def _write(self, package: conda_package.Package) -> Package:
        tree = self.directory / "trees" / package.name
        for path, text in FILES[package.name].items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                (tree / path).symlink_to(text[3:])
            else:
                (tree / path).write_text(text)
                (tree / path).chmod(0o755 if text.startswith("#!") else 0o644)
        file = conda_package.write(package, tree, self.directory / "main" / package.subdir)
        content = file.read_bytes()
        return Package(
            package.name,
            package.version,
            package.build,
            hashlib.sha256(content).hexdigest(),
            url=file.as_uri(),
            md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
            size=len(content),
            depends=package.depends,
        )

    def build(self, name: str, installer: str, conda: str = "", specs: tuple[str, ...] = SPECS) -> Path:
        """Make an environment of all packages, and return where it is."""
        prefix = self.directory / "envs" / name
        prefix.parent.mkdir(exist_ok=True)
        job = Job(
            name=name,
            prefix=str(prefix),
            packages=self.packages,
            specs=specs,
            pkgs=str(self.directory / "pkgs"),
            lock=os.open(self.directory, os.O_RDONLY),
            timeout=60,
            pip_index="",
            progress=Silence(),
        )
        try:
            builder.build(job, installer, Tools(conda, sys.executable, str(self.runtime)))
        finally:
            os.close(job.lock)
        return prefix
