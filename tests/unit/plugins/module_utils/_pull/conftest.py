# SPDX-License-Identifier: GPL-3.0-or-later
"""A remote, and a node that pulls from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places

from lab.git_site import GitSite, make


@pytest.fixture
def remote(tmp_path: Path) -> GitSite:
    return make(tmp_path / "remote")


@pytest.fixture
def places(tmp_path: Path, remote: GitSite) -> Places:
    places = Places(str(tmp_path / "etc"), str(tmp_path / "var"), str(tmp_path / "lease"))
    for folder in (places.etc, places.var):
        Path(folder).mkdir(mode=0o700)
    Path(places.allowed_signers).write_text(remote.allowed("ana", "bo"))
    return places
