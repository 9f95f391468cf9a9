# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.signing_keys import Key
from lab.upstream.ubuntu import repositories
from lab.upstream.ubuntu.releases import RELEASES


def test_the_keyring_brings_its_list_and_its_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Key, "public", b"key")
    files = repositories.keyring(RELEASES[1]).files
    assert files[nvidia_repositories.KEYRING_MEMBER] == b"key"
    assert "/ubuntu2404/x86_64/ /" in str(files["etc/apt/sources.list.d/cuda-ubuntu2404-x86_64.list"])
    preferences = str(files["etc/apt/preferences.d/cuda-repository-pin-600"])
    assert "Package: *\nPin: release l=NVIDIA CUDA\nPin-Priority: 600\n" in preferences
