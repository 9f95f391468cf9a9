# SPDX-License-Identifier: GPL-3.0-or-later
"""How a package cache that others may enter is closed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import private_caches


@pytest.mark.parametrize(
    ("user", "readable"), [pytest.param(0, False, id="root"), pytest.param(1000, True, id="a user")]
)
def test_a_cache_is_nobody_elses_before_it_is_looked_through(
    user: int, readable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "rattler"
    cache.mkdir(mode=0o755)
    loose = cache / "tool-1.0-0" / "share"
    loose.mkdir(parents=True)
    loose.chmod(0o777)
    (cache / "fine-1.0-0").mkdir(mode=0o755)
    look, seen = private_caches._packages, []

    def looked_into(path: str) -> list[str]:
        seen.append((stat.S_IMODE(Path(path).stat().st_mode), private_caches.open_to_others(str(tmp_path))))
        return look(path)

    monkeypatch.setattr(private_caches, "_packages", looked_into)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    private_caches.close(str(cache))
    [(meanwhile, found)] = seen
    assert not meanwhile & 0o077
    assert bool(meanwhile & stat.S_IRUSR and meanwhile & stat.S_IXUSR) is readable
    assert found == (str(cache),), "an interruption would not be healed"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert [one.name for one in cache.iterdir()] == ["fine-1.0-0"]
    assert private_caches.open_to_others(str(tmp_path)) == ()
