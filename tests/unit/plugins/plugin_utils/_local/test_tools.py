# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import requirements
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import tools

ROOT = Path(__file__).parents[5]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that lets a machine have only what it is given."""

    def have(*names: str, version: tuple[int, int] = (3, 11)) -> None:
        for name in names:
            if name != "rattler":
                (tmp_path / name).write_text("")
                (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: "/nowhere")
        monkeypatch.setattr(tools, "find_spec", lambda name: find_spec(name) if name in names else None)
        monkeypatch.setattr(tools.sys, "version_info", (*version, 0))

    return have


@pytest.mark.parametrize(
    ("names", "pip", "installer"),
    [
        (("rattler", "uv", "conda"), True, "rattler"),
        (("rattler",), False, "rattler"),
        (("conda", "uv"), True, "conda"),
        (("conda",), False, "conda"),
    ],
)
def test_what_a_machine_builds_with(
    names: tuple[str, ...], pip: bool, installer: str, there: Any, tmp_path: Path
) -> None:
    there(*names)
    with tools.found(pip=pip) as (chosen, used):
        assert chosen == installer
        assert used.conda == (str(tmp_path / "conda") if "conda" in names else "")
        assert os.access(used.uv, os.X_OK) is ("uv" in names)
        assert Path(used.site_packages, "rattler", "__init__.py").exists() is (installer == "rattler")
    assert not Path(used.runtime).exists()


@pytest.mark.parametrize(
    ("names", "version", "said"),
    [
        ((), (3, 11), "has no py-rattler, uv. Install what it needs"),
        (("conda",), (3, 11), "has no uv. Install what it needs"),
        (("rattler",), (3, 11), "has no uv. Install what it needs"),
        (
            (),
            (3, 9),
            "is Python 3.9, py-rattler needs 3.10 or newer, and there is no conda on PATH. Run this command with",
        ),
    ],
)
def test_what_is_missing_is_named(names: tuple[str, ...], version: tuple[int, int], said: str, there: Any) -> None:
    there(*names, version=version)
    with pytest.raises(EvenkeelError) as caught, tools.found(pip=True):
        pass
    assert said in str(caught.value)


def test_the_users_conda_is_the_one_that_shells_know(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there("conda", "other")
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "other"))
    assert tools.conda_command() == str(tmp_path / "other")
    monkeypatch.setenv("CONDA_EXE", "/gone/conda")
    assert tools.conda_command() == str(tmp_path / "conda")


def test_another_system_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.os, "uname", lambda: SimpleNamespace(sysname="Darwin"))
    with pytest.raises(EvenkeelError, match="are for Linux, and this is Darwin"):
        tools.require_linux()


def test_it_needs_what_the_control_node_needs() -> None:
    lines = [line.partition(";")[0] for line in tools.FILE.read_text().splitlines() if not line.startswith("#")]
    assert set(lines) < set(requirements.FILE.read_text().splitlines())
    assert set(tools.READERS.values()) < {line.partition(">")[0] for line in lines}


def evenkeel(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program with a Python that has its library alone."""
    argv = [sys.executable, "-S", "-I", str(ROOT / "bin" / "evenkeel"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_a_python_that_can_t_read_locks_is_told_what_to_install() -> None:
    done = evenkeel("env", "diff", "--lock", "conda-lock.yml")
    assert done.returncode == 2
    assert "has no packaging, pyyaml. Install what it needs" in done.stderr
    assert f"python3 -m venv {tools.OWN}; {tools.OWN}/bin/pip install -r {tools.FILE}; export PATH=" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "shown"),
    [
        ((), 64, "usage: evenkeel [--version] {drift,env,lock} ..."),
        (("--help",), 0, "usage: evenkeel [--version] {drift,env,lock} ..."),
        (("unknown",), 64, "usage: evenkeel [--version] {drift,env,lock} ..."),
        (("env",), 64, "usage: evenkeel env"),
        (("env", "sync", "--help"), 0, "usage: evenkeel env sync"),
        (("env", "sync", "--keep", "-1"), 64, "usage: evenkeel env sync"),
        (("env", "sync", "--rollback", ""), 64, "argument --rollback: it is empty"),
        (("env", "sync", "--rollback=-0"), 64, "argument --rollback: -0: no build is meant"),
        (("env", "sync", "--rollback=-"), 64, "argument --rollback: -: no build is meant"),
        (("env", "sync", "--prefix", ""), 64, "argument --prefix: it is empty"),
        (("env", "shell", "--lock="), 64, "argument --lock: it is empty"),
        (("drift", "--help"), 0, "usage: evenkeel drift"),
    ],
)
def test_commands(arguments: tuple[str, ...], status: int, shown: str) -> None:
    done = evenkeel(*arguments)
    assert done.returncode == status
    assert shown in (done.stderr if status else done.stdout)


@pytest.mark.parametrize("named", ["python", "gone"])
def test_within_an_environment_it_runs_with_its_own_python(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("python", "bin/python3"):
        program = tmp_path / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(0o755)
    monkeypatch.setenv("EVENKEEL_PYTHON", str(tmp_path / named))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    done = subprocess.run([ROOT / "bin" / "evenkeel", "env"], capture_output=True, text=True, check=False)
    assert done.stdout == ("python\n" if named == "python" else "bin/python3\n")
