# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytecode of a distribution, compiled by this Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._image import bytecode
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "lib" / "__pycache__").mkdir(parents=True)
    for name in ("ours", "brought"):
        (tmp_path / "lib" / f"{name}.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / "lib" / "__pycache__" / f"{name}.cpython-311.pyc").write_bytes(b"of some run")
    (tmp_path / "lib" / "__pycache__" / "gone.cpython-311.pyc").write_bytes(b"of some run")
    (tmp_path / "conda-meta").mkdir()
    paths = [{"_path": "lib/__pycache__/brought.cpython-311.pyc", "sha256": "ab"}, {"_path": "lib/ours.py"}]
    (tmp_path / "conda-meta" / "x-1-0.json").write_text(json.dumps({"paths_data": {"paths": paths}}))
    return tmp_path


def test_what_no_package_brought_is_compiled_again(home: Path) -> None:
    ours = str(home / "lib" / "__pycache__" / "ours.cpython-311.pyc")
    assert bytecode.unrecorded(str(home)) == {ours, ours.replace("ours", "gone")}
    found = bytecode.compiled(str(home))
    assert list(found) == [ours]
    # The flags of PEP 552: valid whatever the time of the source.
    assert found[ours][4:8] == b"\x01\0\0\0"
    assert bytecode.compiled(str(home)) == found


def test_a_python_that_does_not_run_is_named(home: Path) -> None:
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").symlink_to("/bin/false")
    with pytest.raises(EvenkeelError, match="bin/python could not compile"):
        bytecode.compiled(str(home))
