# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' own tool, out of Debian's package, of which nothing else is installed or started."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lab import locks, paths

PROGRAM = "usr/bin/promtool"

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Runs promtool with arguments, and with a text as its input."""
    program = paths.CACHE / "promtool" / PROGRAM
    with locks.held("promtool"):
        if not program.exists():
            unpack(program)

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            check=False,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def unpack(program: Path) -> None:
    """Take the program out of the package."""
    with TemporaryDirectory() as scratch:
        subprocess.run(["apt-get", "--quiet=2", "download", "prometheus"], check=True, cwd=scratch)
        (package,) = Path(scratch).glob("prometheus_*.deb")
        listing = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "--extract", f"./{PROGRAM}"], check=True, cwd=scratch, input=listing.stdout)
        program.parent.mkdir(parents=True, exist_ok=True)
        draft = program.with_suffix(".partial")
        draft.write_bytes((Path(scratch) / PROGRAM).read_bytes())
        draft.chmod(0o755)
        draft.replace(program)
