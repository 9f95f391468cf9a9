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


#: What names a machine or people, and where it can come from.
NAMES = (
    "trainer-7",
    "ann.smith",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "1320223054321",
    "/data/vision-team",
    "/home/",
)
SAID = (
    "/home/ann.smith/envs/x: the check ended at torch. See `dmesg`.",
    "torch 2.11.0 of /data/vision-team/x fails: ann.smith may not open /data/vision-team/x/lib.so on trainer-7.",
    "GPU-3f2504e0-4f89-11d3-9a0c-0305e82c3301, serial number 1320223054321, is lost on trainer-7.corp.example.",
)


def test_nothing_that_a_machine_says_gets_into_a_record_with_its_names(
    facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts["gpus"][0] |= {"uuid": f"GPU-{NAMES[2]}", "name": "NVIDIA H100 (trainer-7)"}
    facts["processes"] = [{"pid": 1, "command": "/home/ann.smith/train.py", "user": "ann.smith", "devices": []}]
    facts["cdi"] = [{"path": "/data/vision-team/cdi/nvidia.yaml", "versions": [], "missing": list(SAID), "stale": ""}]
    gpu = {"address": "0000:02:00.0", "memory_mib": 8, "name": "NVIDIA H100", "problems": list(SAID), "uuid": NAMES[2]}
    framework = {"name": "torch", "version": "2.11.0", "error": SAID[1], "path": "/data/vision-team/envs/x"}
    verdict = Verdict(True, "13.0", [gpu], [framework], list(SAID))
    monkeypatch.setattr("platform.node", lambda: "trainer-7.corp.example")
    monkeypatch.setenv("SUDO_USER", "ann.smith")
    monkeypatch.setattr(gpu_facts, "read", lambda: facts)
    monkeypatch.setattr(run.gpu_check, "check", lambda *_unused: verdict)
    assert run.main(["--record", str(tmp_path / "record.json")]) == 1
    text = (tmp_path / "record.json").read_text()
    assert [name for name in NAMES if name in text] == []
    found = json.loads(text)
    assert found["problems"][1] == "torch 2.11.0 of …/x fails: USER may not open …/lib.so on HOST."
    assert (found["gpus"][0]["memory_mib"], found["frameworks"][0]["version"]) == (8, "2.11.0")


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
