# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality.claims import Result, SkippedError
from reality.parts import gpu
from reality.world import World

RECORD: dict[str, Any] = {
    "facts": {"gpus": [{"device_id": "2330"}], "driver": {"loaded": "580.178.04"}},
    "cuda": "13.0",
    "gpus": [{"name": "NVIDIA H100"}, {"name": "NVIDIA H100"}],
    "frameworks": [{"name": "torch", "version": "2.11.0"}],
    "problems": [],
}


def said(result: Result) -> tuple[str, str, str]:
    return result.state, result.on, result.detail


@pytest.mark.parametrize(
    ("key", "change", "result"),
    [
        ("facts", {}, ("proven", "2 x NVIDIA H100", "driver 580.178.04, CUDA 13.0")),
        ("computation", {"problems": ["it is hot"]}, ("differs", "2 x NVIDIA H100", "it is hot")),
        ("computation", {"gpus": []}, ("differs", "1 x 2330", "CUDA found no GPU")),
        ("frameworks", {}, ("proven", "2 x NVIDIA H100", "torch 2.11.0")),
        (
            "frameworks",
            {"frameworks": []},
            ("differs", "2 x NVIDIA H100", "the environment has no framework that is known"),
        ),
    ],
)
def test_what_a_record_says(key: str, change: dict[str, Any], result: tuple[str, str, str]) -> None:
    assert said(gpu.verdict(key, {**RECORD, **change})) == result


def ending(status: int) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *_unused, **_more: subprocess.CompletedProcess([], status, "its words", "")


def test_without_a_gpu_all_is_skipped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "run", ending(77))
    for claim in gpu.claims(world):
        with pytest.raises(SkippedError, match="this machine has no GPU"):
            gpu.check(claim, world)


def test_an_environment_of_somebody_s_own_proves_nothing_of_the_locked_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.environment = {"EVENKEEL_GPU_ENVIRONMENT": str(tmp_path)}
    with pytest.raises(EvenkeelError, match=f"EVENKEEL_GPU_ENVIRONMENT names {tmp_path}, which has no bin/python"):
        gpu.claims(world)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    claims = list(gpu.claims(world))
    assert [claim.id for claim in claims] == [
        "gpu/facts",
        "gpu/computation",
        "gpu/case/EVENKEEL_GPU_ENVIRONMENT/frameworks",
    ]
    assert claims[-1].text == "EVENKEEL_GPU_ENVIRONMENT: its frameworks find every GPU"
    asked = []
    monkeypatch.setattr(gpu, "_record", lambda _world, environment: asked.append(environment) or RECORD)
    assert gpu.check(claims[-1], world).state == "proven"
    assert asked == ["", str(tmp_path)]


def test_a_run_without_a_record_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "run", ending(1))
    with pytest.raises(EvenkeelError, match="ended with status 1: its words"):
        gpu.check(next(iter(gpu.claims(world))), world)
