# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Explicit files, which every conda installs: a URL on each line, and a hash if it was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package, in_order
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import check, conda_package, pip_package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import Mistakes

MARK = "@EXPLICIT"
_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)")
_PIP = re.compile(r"#\s*pip\s+(?P<name>\S+)\s*@\s*(?P<url>\S+?)(#sha256=(?P<sha256>\S+))?")
_WHEEL_VERSION = re.compile(r"[^/-]+-([^-]+)-[^/]+\.whl")


def render(platform: str, packages: Iterable[Package]) -> str:
    """Return the text of an explicit file; conda skips the lines of pip's packages, conda-lock installs them.

    Each package of conda comes after those that it depends on, as conda installs them in the order of the lines.
    """
    found = tuple(packages)
    lines = [f"# platform: {platform}", MARK]
    lines += [
        f"{package.url}#{package.sha256}"
        for package in in_order(package for package in found if package.manager == CONDA)
    ]
    lines += [
        f"# pip {package.name} @ {package.url}{f'#sha256={package.sha256}' if package.sha256 else ''}"
        for package in found
        if package.manager == PIP
    ]
    return "".join(f"{line}\n" for line in lines)


def read(path: Path, platform: str) -> tuple[Package, ...]:
    """Return the packages of an explicit file; the SHA-256 of those that it names by MD5 or by no hash is empty.

    Raises
    ------
    EvenkeelError
        It is malformed, for another platform, or holds a package twice, or one of pip's without a hash.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    if MARK not in lines:
        raise EvenkeelError(
            f"{path} has no line {MARK}, so it is not an explicit file",
            "Write it with `conda list --explicit --sha256`",
        )
    for line in lines:
        if (named := _PLATFORM.fullmatch(line)) and named[1] != platform:
            raise EvenkeelError(f"{path} is for {named[1]}, not for {platform}", f"Write one for {platform}")
    packages: list[Package] = []
    mistakes = Mistakes(path)
    for line in lines:
        with mistakes.collected():
            if line != MARK and (package := _package(path, line, platform)):
                packages.append(package)
    mistakes.require_none()
    if not packages:
        raise EvenkeelError(f"{path} names no package", "Check that it is the right file")
    return check(path, packages)


def _package(path: Path, line: str, platform: str) -> Package | None:
    if pip := _PIP.fullmatch(line):
        version = _WHEEL_VERSION.fullmatch(unquote(pip["url"].rpartition("/")[2].partition("#")[0]))
        return pip_package(path, pip["name"], version[1] if version else "", pip["url"], pip["sha256"])
    if not line or line.startswith("#"):
        return None
    url, _unused, value = line.partition("#")
    value = value.removeprefix("sha256:").removeprefix("md5:")
    is_md5 = len(value) == 32
    return conda_package(path, url, value if is_md5 else None, None if is_md5 else value, platform, hash_needed=False)
