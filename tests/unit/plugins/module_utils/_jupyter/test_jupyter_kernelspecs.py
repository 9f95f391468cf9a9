# SPDX-License-Identifier: GPL-3.0-or-later
"""The module jupyter_kernelspecs, with environments that are taken for whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_kernelspecs, kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made

OPTIONS = dict.fromkeys(("environment", "display_name", "cuda_visible_devices", "memory_max"))


def test_kernels_are_recorded_as_long_as_they_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernelspecs, "check_environments", lambda *_: None)

    def converge(*names: str, check_mode: bool = False) -> dict[str, Any]:
        kernels = [{**OPTIONS, "name": name, "env": {}} for name in names]
        places = {"directory": str(tmp_path / "kernels"), "environments": str(tmp_path / "envs")}
        return jupyter_kernelspecs.converge({**places, "kernels": kernels, "server": None, "planned": []}, check_mode)

    assert converge("a", "b", check_mode=True)["changed"]
    assert made.read("jupyter_kernelspecs") == []
    assert converge("a", "b")["written"] == ["a", "b"]
    assert [thing.name for thing in made.read("jupyter_kernelspecs")] == [
        str(tmp_path / "kernels" / name / "kernel.json") for name in ("a", "b")
    ]
    assert converge()["removed"] == ["a", "b"]
    assert made.read("jupyter_kernelspecs") == []
