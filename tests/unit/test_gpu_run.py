# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded of a machine with GPUs does not identify the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import facts as gpu_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.verdict import Verdict

from tests.gpu import run
from tests.unit.plugins import trees


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Any]:
    return gpu_facts.read(str(trees.expand("secure_boot", tmp_path)))


def test_a_record_names_neither_machine_nor_people(facts: dict[str, Any]) -> None:
    text = json.dumps(run.sanitized(facts))
    assert facts["processes"]
    assert facts["secure_boot"]["enrolled"]
    assert [
        word
        for word in (facts["gpus"][0]["uuid"], facts["processes"][0]["command"], facts["secure_boot"]["enrolled"][0])
        if word in text
    ] == []


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ({"address": "0000:01:00.0", "memory_mib": 16000}, []),
        ({"address": "0000:01:00.0", "memory_mib": 8000}, ["8000 MiB by CUDA"]),
        ({"address": "0000:02:00.0", "memory_mib": 16000}, ["CUDA has 0000:02:00.0"]),
    ],
)
def test_two_ways_of_looking_agree(gpu: dict[str, Any], words: list[str], facts: dict[str, Any]) -> None:
    facts["gpus"][0]["memory_mib"] = 16384
    problems = run.expectations(facts, Verdict(True, gpus=[gpu]))
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))


def test_a_machine_without_a_gpu_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_facts, "read", lambda: {"gpus": []})
    assert run.main([]) == run.SKIPPED
    assert "no GPU" in capsys.readouterr().err
