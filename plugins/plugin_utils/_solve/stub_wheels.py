# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Wheels without content, by which uv learns of a distribution that it can't see, or may not build."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from packaging.version import InvalidVersion, Version


def normal(version: str) -> str:
    """Return a version as Python writes it; empty for one that Python does not understand."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return ""


def file_name(name: str, version: str) -> str:
    """Return the file name of the stub of a distribution, whose version is a normal one."""
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def write(folder: Path, name: str, version: str, metadata: Iterable[str] = ()) -> Path:
    """Write a wheel that says its name and version, and nothing else but ``metadata``; return its path.

    Parameters
    ----------
    folder
        Is made where it is missing.
    name, version
        As Python normalises them.
    metadata
        Further lines, such as ``Provides-Extra: socks``.
    """
    folder.mkdir(exist_ok=True)
    wheel = folder / file_name(name, version)
    stem = wheel.name.removesuffix("-py3-none-any.whl")
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "".join(f"{line}\n" for line in lines))
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return wheel
