# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Resolve pip's requirements with uv, around the distributions that conda brings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import SHARE

with optional():
    from packaging.tags import Tag, compatible_tags, cpython_tags
    from packaging.utils import parse_wheel_filename
    from packaging.version import InvalidVersion, Version

#: For all that uv does; each of its requests has a shorter limit of uv's own.
SECONDS = 600
#: conda's platforms, as uv and wheels name the machine.
MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
#: The C libraries (minor versions of glibc 2) that uv can resolve for; wheels for an older one run as well.
GLIBCS: tuple[int, ...] = (17, 28, *range(31, 41))
#: Wheels' other names of a C library.
LEGACY_GLIBCS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MISSING_EXTRA = re.compile(r"The package `([^`]+)` does not have an extra named `([^`]+)`")


@dataclass(frozen=True)
class Target:
    """Where the packages run."""

    #: Python's whole version, such as ``3.11.2``.
    python: str
    #: conda's name, such as ``linux-64``.
    platform: str
    #: Version of the C library, such as ``2.36``.
    glibc: str

    @property
    def machine(self) -> str:
        try:
            return MACHINES[self.platform]
        except KeyError:
            raise EvenkeelError(
                f"pip's packages cannot be resolved for {self.platform}", f"Supported: {', '.join(MACHINES)}"
            ) from None

    @property
    def glibc_minor(self) -> int:
        """The newest C library, up to the target's, that uv can resolve for."""
        fitting = [minor for minor in GLIBCS if Version(f"2.{minor}") <= Version(self.glibc)]
        if not fitting:
            raise EvenkeelError(
                f"pip's packages cannot be resolved for glibc {self.glibc}", f"Needed: glibc 2.{GLIBCS[0]} or newer"
            )
        return fitting[-1]

    def tags(self) -> list[Tag]:
        """Return the tags of the wheels that run there, the most specific first."""
        python = Version(self.python).release[:2]
        platforms = [
            f"{name}_{self.machine}"
            for minor in range(self.glibc_minor, 4, -1)
            for name in (f"manylinux_2_{minor}", LEGACY_GLIBCS.get(minor))
            if name
        ]
        platforms.append(f"linux_{self.machine}")
        interpreter = "cp{}{}".format(*python)
        return [*cpython_tags(python, [interpreter], platforms), *compatible_tags(python, interpreter, platforms)]


def resolve(
    requirements: Iterable[str], target: Target, provided: Mapping[str, str], index: str, kept: Iterable[Package] = ()
) -> list[Package]:
    """Return the wheels, sorted by name, that meet ``requirements`` together with what conda provides.

    Only wheels are taken, so that nothing has to be built on a node; a commit named by its hash is the exception.

    Parameters
    ----------
    requirements
        As PEP 508 writes them.
    target
        Where they run.
    provided
        Name and version of each distribution that conda's packages bring; none of them is among the answer.
    index
        URL of the simple index; empty for the one that uv is configured to ask.
    kept
        Packages of an earlier answer that stay wherever they still fit.

    Raises
    ------
    EvenkeelError
        Nothing fits, the index does not answer or holds no wheel for the target; uv says why.
    """
    asked = list(requirements)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        lock = work / "pylock.toml"
        if preferences := _preferences(kept):
            lock.write_text(f'lock-version = "1.0"\ncreated-by = "evenkeel"\n{preferences}')
        (work / "constraints.txt").write_text("".join(f"{line}\n" for line in _stubs(provided, work)))
        command = [
            *(uv(), "pip", "compile", "-", "--no-progress", "--color", "never", "--no-header", "--no-python-downloads"),
            *("--output-file", str(lock), "--format", "pylock.toml", "--only-binary", ":all:"),
            *("--python", sys.executable, "--python-version", target.python),
            *("--python-platform", f"{target.machine}-manylinux_2_{target.glibc_minor}".replace("_2_17", "2014")),
            *("--constraints", str(work / "constraints.txt")),
            *(argument for name in provided for argument in ("--no-emit-package", name)),
            *(("--default-index", index) if index else ()),
        ]
        seconds = patience.in_all(SECONDS, SHARE)
        try:
            with limited(FILE_BYTES):
                done = subprocess.run(
                    command,
                    input="\n".join(asked),
                    cwd=work,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=seconds,
                    env={**os.environ, **_impatience()},
                    check=False,
                    restore_signals=False,
                )
        except subprocess.TimeoutExpired:
            raise EvenkeelError(
                f"The pip packages {', '.join(asked)} could not be resolved in {seconds:.0f} seconds",
                "Check that the control node reaches the index, or choose a nearer one",
            ) from None
        if done.returncode:
            raise EvenkeelError(
                f"The pip packages {', '.join(asked)} cannot be resolved{_beside(provided, done.stderr)}: "
                f"{' '.join(done.stderr.removeprefix('error:').split())}",
                "Change the environment's pip section, its conda packages or the index (pip_index)",
            )
        for package, extra in _MISSING_EXTRA.findall(done.stderr):
            raise EvenkeelError(
                f"{re.split('[ =]', package)[0]} has no extra {extra!r}{_beside(provided, done.stderr)}",
                "Correct the extra's name; of a package that conda provides, name what the extra needs by itself",
            )
        answer = tomllib.loads(lock.read_text())
    tags = {tag: rank for rank, tag in enumerate(target.tags())}
    return sorted(_package(entry, tags) for entry in answer.get("packages", []))


def _impatience() -> dict[str, str]:
    """Return what has uv ask once, where that is wanted."""
    if not patience.asks_once():
        return {}
    seconds = str(max(int(patience.for_answer(SECONDS)), 1))
    return {"UV_HTTP_TIMEOUT": seconds, "UV_HTTP_CONNECT_TIMEOUT": seconds, "UV_HTTP_RETRIES": "0"}


def uv() -> str:
    """Return the path of the program uv."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def _stubs(provided: Mapping[str, str], directory: Path) -> Iterable[str]:
    """Yield a constraint for each distribution of conda, on a wheel that says its version and needs nothing."""
    for name, version in sorted(provided.items()):
        try:
            normal = str(Version(version))
        except InvalidVersion:
            continue
        stem = f"{name.replace('-', '_')}-{normal}"
        wheel = directory / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {normal}\n")
            archive.writestr(
                f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{stem}.dist-info/RECORD", "")
        yield f"{name} @ {wheel.as_uri()}"


def _preferences(kept: Iterable[Package]) -> str:
    """Return the packages of a lock as uv writes it; uv prefers their versions."""
    return "".join(
        f"[[packages]]\nname = {json.dumps(package.name)}\nversion = {json.dumps(package.version)}\n"
        for package in kept
        if package.manager == PIP
    )


def _package(entry: Mapping[str, Any], tags: Mapping[Tag, int]) -> Package:
    name, version = entry["name"], entry["version"]
    if vcs := entry.get("vcs"):
        part = f"#subdirectory={vcs['subdirectory']}" if "subdirectory" in vcs else ""
        return Package(name, version, "", "", PIP, url=f"git+{vcs['url']}@{vcs['commit-id']}{part}")
    wheels = entry.get("wheels", [])
    ranked = {(rank, wheel["url"]): wheel for wheel in wheels if (rank := _rank(wheel["url"], tags)) is not None}
    if not ranked:
        raise EvenkeelError(
            f"The index has no wheel of {name} {version} for the target", "Choose a version that has one"
        )
    wheel = ranked[min(ranked)]
    if "sha256" not in wheel["hashes"]:
        raise EvenkeelError(
            f"The index has no SHA-256 of {wheel['url']}", "Choose an index that has one for each of its files"
        )
    return Package(name, version, "", wheel["hashes"]["sha256"], PIP, url=wheel["url"], size=wheel.get("size", 0))


def _rank(url: str, tags: Mapping[Tag, int]) -> tuple[int, int] | None:
    """Return how well a wheel fits, the best lowest; None when it does not."""
    _name, _version, build, its_tags = parse_wheel_filename(unquote(urlsplit(url).path.rpartition("/")[2]))
    ranks = [tags[tag] for tag in its_tags if tag in tags]
    return (min(ranks), -build[0] if build else 0) if ranks else None


def _beside(provided: Mapping[str, str], explanation: str) -> str:
    """Name conda's part in a conflict."""
    named = [
        f"{name} {version}"
        for name, version in sorted(provided.items())
        if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-]*\w)", explanation)
    ]
    return f" beside conda's {', '.join(named)}" if named else ""
