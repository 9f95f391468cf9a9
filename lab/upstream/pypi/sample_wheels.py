# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the wheel that no index has: one with permissions that are unsafe on a shared machine."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.upstream.pypi.wheels import Wheel

NAME = "permissive-wheel"
FILE = "permissive_wheel-1.0-py3-none-any.whl"
RECORD = "permissive_wheel-1.0.dist-info/RECORD"
#: Path to permissions and content, without the RECORD.
FILES = {
    "permissive_wheel/__init__.py": (0o666, b"x = 1\n"),
    "permissive_wheel/private.txt": (0o600, b"private\n"),
    "permissive_wheel/program": (0o6777, b"#!/bin/sh\n"),
    "permissive_wheel.pth": (0o666, b"# read by every Python that starts\n"),
    "permissive_wheel-1.0.data/scripts/permissive-wheel": (0o6777, b"#!/bin/sh\n"),
    "permissive_wheel-1.0.dist-info/METADATA": (
        0o666,
        b"Metadata-Version: 2.1\nName: permissive-wheel\nVersion: 1.0\n",
    ),
    "permissive_wheel-1.0.dist-info/WHEEL": (
        0o644,
        b"Wheel-Version: 1.0\nGenerator: evenkeel\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    ),
}


def write(folder: Path) -> Path:
    """Write the wheel into ``folder`` and return its path; its bytes are always the same."""
    rows = [f"{name},sha256={signature(content)},{len(content)}\n" for name, (_, content) in FILES.items()]
    record = "".join((*rows, f"{RECORD},,\n")).encode()
    path = folder / FILE
    with zipfile.ZipFile(path, "w") as archive:
        for name, (mode, content) in {**FILES, RECORD: (0o644, record)}.items():
            member = zipfile.ZipInfo(name)  # dated 1980-01-01 by default
            member.external_attr = (0o100000 | mode) << 16
            archive.writestr(member, content)
    return path


def signature(content: bytes) -> str:
    """Return a hash as a RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def ensure() -> Wheel:
    """Have the wheel among those that are downloaded, and return it."""
    with TemporaryDirectory() as scratch:
        made = write(Path(scratch))
        wheel = Wheel(FILE, hashlib.sha256(made.read_bytes()).hexdigest(), NAME, "1.0")
        if not wheel.path.exists():
            wheel.path.parent.mkdir(parents=True, exist_ok=True)
            wheel.path.write_bytes(made.read_bytes())
    return wheel
