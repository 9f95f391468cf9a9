# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels of a control node's environment: found by version and fit, fetched once, or named where they lack."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import control_wheels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.control_wheels import Machine

MACHINE = Machine("3.11", "x86_64")
WANTED = {"ansible-core": "2.19.1", "pyyaml": "6.0"}
RIGHT = ("ansible_core-2.19.1-py3-none-any.whl", "pyyaml-6.0-cp311-cp311-manylinux_2_17_x86_64.whl")
WRONG = (
    "ansible_core-2.19.2-py3-none-any.whl",
    "pyyaml-6.0-cp312-cp312-manylinux_2_17_x86_64.whl",
    "pyyaml-6.0-cp311-cp311-manylinux_2_17_aarch64.whl",
    "pyyaml-6.0-cp311-cp311-musllinux_1_2_x86_64.whl",
    "other-1-py3-none-any.whl",
    "nonsense.whl",
)


def wheel(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "")


def test_the_packages_are_those_of_this_control_node() -> None:
    found = control_wheels.packages()
    assert found["ansible-core"] == importlib.metadata.version("ansible-core")
    assert {"jinja2", "pyyaml", "cryptography", "cffi", "uv", "py-rattler"} <= found.keys()
    assert "ruff" not in found


def test_a_control_node_that_lacks_something_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(control_wheels, "FILE", tmp_path / "requirements.txt")
    for line, words in (
        ("nowhere-to-be-found>=1", "lacks nowhere-to-be-found"),
        ("ansible-core<1", "needs ansible-core<1"),
    ):
        control_wheels.FILE.write_text(f"# Comment\n{line}\n")
        with pytest.raises(EvenkeelError, match=words):
            control_wheels.packages()


def test_wheels_are_found_by_version_and_fit(tmp_path: Path) -> None:
    for name in (*RIGHT, *WRONG):
        wheel(tmp_path / name)
    assert sorted(path.name for path in control_wheels.find(tmp_path, MACHINE, WANTED).values()) == sorted(RIGHT)
    (tmp_path / RIGHT[0]).write_text("cut short")
    assert [path.name for path in control_wheels.find(tmp_path, MACHINE, WANTED).values()] == [RIGHT[1]]


def test_what_lacks_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[list[str]] = []

    def download(machine: Machine, lacking: Mapping[str, str], target: Path) -> None:
        asked.append(sorted(lacking))
        for name in RIGHT:
            wheel(target / name)

    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        for _worker in range(2):
            found = control_wheels.gather(MACHINE, WANTED, None, tmp_path / run, download)
            assert [path.name for path in found] == sorted(RIGHT)
    assert asked == [sorted(WANTED)]


def test_a_directory_that_lacks_one_is_named(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels" / RIGHT[0])
    with pytest.raises(EvenkeelError, match=r"has no wheel of pyyaml 6\.0 for Python 3\.11 on x86_64"):
        control_wheels.gather(MACHINE, WANTED, tmp_path / "wheels", tmp_path, lambda *arguments: None)


def test_pip_is_asked_for_the_other_machines_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked\necho "ERROR: no such wheel" >&2; exit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(EvenkeelError, match=r"Python 3\.11 on x86_64 on the control node: no such wheel"):
        control_wheels.download_with_pip(MACHINE, WANTED, tmp_path)
    asked = (tmp_path / "asked").read_text().split()
    for words in (["--python-version", "3.11"], ["--abi", "cp311"], ["--platform", "manylinux_2_28_x86_64"]):
        assert any(asked[at : at + 2] == words for at in range(len(asked)))
    assert {"pyyaml==6.0", "ansible-core==2.19.1", "--no-deps", ":all:"} <= set(asked)
