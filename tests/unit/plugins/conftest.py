# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import files, made


@pytest.fixture(autouse=True)
def _nothing_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare this machine's disk: others write to it too, and a test would have to wait for all of that."""
    monkeypatch.setattr(files, "_syncfs", lambda: lambda descriptor: 0)


@pytest.fixture(autouse=True)
def _records_are_not_this_machines(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have modules that run in a test record what they make in a folder of the test."""
    folder = tmp_path_factory.mktemp("made") / "evenkeel"
    monkeypatch.setattr(made, "FOLDER", str(folder))
    return folder
