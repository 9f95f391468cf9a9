# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects whose build backend is their own, so that building them needs nothing from outside."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
#: Makes a wheel of what lies in ``content`` and runs what the project has in ``during.py`` before.
BACKEND = """
import os, runpy, zipfile

NAME, VERSION, TAG = {name!r}, {version!r}, {tag!r}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    stem = NAME.replace("-", "_") + "-" + VERSION
    file = stem + "-" + TAG + ".whl"
    if os.path.exists("during.py"):
        runpy.run_path("during.py")
    texts = {{
        NAME.replace("-", "_") + ".py": "VERSION = " + repr(VERSION),
        stem + ".dist-info/METADATA": "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: " + VERSION + "\\n",
        stem + ".dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: " + TAG + "\\n",
    }}
    with zipfile.ZipFile(os.path.join(wheel_directory, file), "w") as archive:
        for path, text in texts.items():
            archive.writestr(zipfile.ZipInfo(path), text)
        for folder, _folders, names in os.walk("content"):
            for name in sorted(names):
                with open(os.path.join(folder, name), "rb") as stream:
                    archive.writestr(zipfile.ZipInfo(name), stream.read())
        record = "".join(path + ",,\\n" for path in archive.namelist()) + stem + ".dist-info/RECORD,,\\n"
        archive.writestr(zipfile.ZipInfo(stem + ".dist-info/RECORD"), record)
    return file
"""


def project(
    name: str = "tool", version: str = "1.0", tag: str = "py3-none-any", during: str = "", **files: str
) -> dict[str, str]:
    """Return the files of a project, path to text."""
    found = {"pyproject.toml": PYPROJECT, "backend.py": BACKEND.format(name=name, version=version, tag=tag), **files}
    return {**found, **({"during.py": during} if during else {})}


def pack(path: Path, stem: str, files: dict[str, str]) -> str:
    """Write a source archive of a project's files below the folder ``stem``; return its SHA-256."""
    with tarfile.open(path, "w:gz") as stream:
        for file, text in files.items():
            member = tarfile.TarInfo(f"{stem}/{file}")
            member.size = len(text.encode())
            stream.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(directory: Path, files: dict[str, str]) -> None:
    """Write the files of a project."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
