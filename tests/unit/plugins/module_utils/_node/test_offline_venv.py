# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment is made of wheels at hand, or not at all."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import offline_venv
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


def wheel(folder: Path, script: str) -> str:
    """Return the wheel of a uv."""
    path = folder / "uv-0.13.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("uv-0.13.9.data/scripts/uv", f"#!/bin/sh\n{script}\n")
    return str(path)


def make(target: Path, *wheels: str) -> None:
    offline_venv.make("/usr/bin/python3", str(target), wheels, "of ours", "our wheels")


def test_uv_is_asked_for_no_network_and_replaces_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "venvs" / "one"
    (target / "of-a-killed-run").mkdir(parents=True)
    said = 'echo "$UV_OFFLINE $@" >>"$(dirname $0)/../../said"'
    made = wheel(tmp_path, said + '; for last; do :; done; [ "$1" != venv ] || mkdir -p "$last/bin"')
    make(target, made)
    assert [path.name for path in target.iterdir()] == ["bin"]
    assert [path.name for path in target.parent.iterdir()] == ["one"]
    lines = (tmp_path / "said").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "venv"], ["1", "pip"], ["1", "pip"]]
    assert "--no-index" in lines[1].split()
    assert lines[1].split()[-1] == made


def test_wheels_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="The environment of ours can't be made: no wheel fits"):
        make(tmp_path / "venvs" / "one", wheel(tmp_path, 'echo "no wheel fits" >&2; exit 1'))
    assert list((tmp_path / "venvs").iterdir()) == []
    with pytest.raises(EvenkeelError, match="have no uv"):
        make(tmp_path / "venvs" / "one", str(tmp_path / "humanize-1-py3-none-any.whl"))
    assert list((tmp_path / "venvs").iterdir()) == []
