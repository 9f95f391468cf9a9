# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Fetch wheels for another machine's Python, from the index that the control node's pip is configured to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited

#: For some 60 MB.
SECONDS = 900


def download(
    versions: Mapping[str, str],
    target: Path,
    *,
    python: str,
    abis: Iterable[str],
    systems: Iterable[str],
    what: str,
    directory: str,
) -> None:
    """Fetch a wheel of each version, by name, into ``target``.

    Parameters
    ----------
    python, abis, systems
        What the wheels have to fit, such as ``3.11``, ``abi3`` and ``manylinux_2_28_x86_64``.
    what
        For messages: what is fetched.
    directory
        For messages: what names a directory that has the wheels.

    Raises
    ------
    EvenkeelError
        pip could not.
    """
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    argv += ["--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    argv += [part for abi in abis for part in ("--abi", abi)]
    argv += [part for system in systems for part in ("--platform", system)]
    argv += ["--dest", str(target), *(f"{name}=={version}" for name, version in versions.items())]
    failed = f"pip could not fetch {what} on the control node"
    remedy = f"Check pip's configuration there, or name a directory that has the wheels with {directory}"
    try:
        with limited(FILE_BYTES):
            done = subprocess.run(
                argv,
                check=False,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
            )
    except subprocess.TimeoutExpired:
        raise EvenkeelError(f"{failed} in {SECONDS} seconds", remedy) from None
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise EvenkeelError(f"{failed}: {words[-1].removeprefix('ERROR: ')}", remedy)
