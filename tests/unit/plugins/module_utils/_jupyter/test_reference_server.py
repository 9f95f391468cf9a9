# SPDX-License-Identifier: GPL-3.0-or-later
"""How a reference server and a reference kernel are started, and what counts as their failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import reference_server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become somebody else")
Python = Callable[[str], str]

SETTINGS = {"ServerApp": {"certfile": "/secret", "keyfile": "/secret", "port": 1}, "LabApp": {"news_url": None}}


@pytest.fixture
def python() -> Iterator[Python]:
    """Make environments whose Python is a shell script; pytest's own folders are closed to nobody."""
    folder = Path(subprocess.check_output(["mktemp", "--directory"], text=True).strip())
    folder.chmod(0o755)

    def make(script: str) -> str:
        (folder / "bin").mkdir()
        program = folder / "bin" / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return str(folder)

    yield make
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("exit 0", None),
        ('test "$(id -un)" = nobody && test "$PWD" = "$HOME" && test "$EVENKEEL_JUPYTER" = "$HOME"', None),
        ("test -s token && test -s settings.json && grep -q news_url settings.json", None),
        ('grep -q "\\"sock\\": \\"$HOME/socket\\"" settings.json', None),
        ("! grep -q secret settings.json", None),
        ('test "$1" = -s && test "$3" = --config=/etc/c.py && test "$4" = --show-config', None),
        ("echo one >&2; echo two >&2; exit 3", "ended with status 3: one / two"),
        ("echo said; exit 3", "ended with status 3: said"),
        ("echo Exception while loading config file >&2", "ended with status 0: Exception while loading config file"),
    ],
)
def test_a_server(python: Python, script: str, failure: str | None) -> None:
    found = reference_server.failure_of_server(python(script), "/etc/c.py", SETTINGS)
    assert found is failure if failure is None else failure in (found or "")


def test_a_program_that_is_not_there(python: Python) -> None:
    prefix = python("")
    Path(prefix, "bin", "python").unlink()
    assert "bin/python: [Errno 2]" in (reference_server.failure_of_server(prefix, "/etc/c.py", {}) or "")


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ('test "$(id -un)" = nobody && test "$3" = "import ipykernel.kernelapp"', None),
        ("echo no ipykernel >&2; exit 1", "ended with status 1: no ipykernel"),
    ],
)
def test_a_kernel(python: Python, tmp_path: Path, script: str, failure: str | None) -> None:
    (tmp_path / "ai").mkdir()
    argv = ["/bin/sh", "-c", 'exec "$0" "$@"', f"{python(script)}/bin/python", "-m", "ipykernel_launcher", "-f", "{}"]
    (tmp_path / "ai" / "kernel.json").write_text(json.dumps({"argv": argv}))
    found = reference_server.failure_of_kernel("ai", str(tmp_path))
    assert found is failure if failure is None else failure in (found or "")


@pytest.mark.parametrize("text", [None, "[", "{}", '{"argv": 1}', '{"argv": ["sh"]}'])
def test_a_kernel_that_is_not_registered(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ai").mkdir()
        (tmp_path / "ai" / "kernel.json").write_text(text)
    assert "ai is not registered" in (reference_server.failure_of_kernel("ai", str(tmp_path)) or "")
