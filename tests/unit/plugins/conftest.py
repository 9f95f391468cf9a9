# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import files


@pytest.fixture(autouse=True)
def _nothing_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare this machine's disk: others write to it too, and a test would have to wait for all of that."""
    monkeypatch.setattr(files, "_syncfs", lambda: lambda descriptor: 0)
