# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on the GPUs of several nodes, put together."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.filter.gpu_verdicts import gpu_verdicts

GPU = {"address": "0000:01:00.0", "name": "T4", "memory_mib": 15109, "to_gpu_gbps": 12.34, "from_gpu_gbps": 12.0}
TORCH = {"name": "torch", "version": "2.9", "gpus": 1, "wrong": [], "error": ""}


def check(*problems: str, **other: Any) -> dict[str, Any]:
    found = {"present": True, "verdict": "1 GPU works", "cuda": "13.0", "gpus": [GPU], "frameworks": []}
    return {**found, "problems": list(problems), "ok": not problems, "item": "", **other}


def test_a_node_that_is_well() -> None:
    report = gpu_verdicts({"one": [check(item="ai", frameworks=[TORCH])]})
    assert report["lines"] == [
        "one: 1 GPU works, CUDA 13.0",
        "  0000:01:00.0 T4, 15109 MiB, 12.3 GB/s to it, 12.0 GB/s from it",
        "  ai: torch 2.9 sees 1",
    ]
    assert report["nodes"]["one"]["ok"]


def test_one_bad_check_makes_a_node_bad_and_is_told_once() -> None:
    report = gpu_verdicts({"one": [check(item="a"), check("broken.", item="b"), check("broken.", item="c")]})
    assert not report["nodes"]["one"]["ok"]
    assert report["nodes"]["one"]["problems"] == ["broken."]
    assert report["lines"][0] == "one: FAILED, CUDA 13.0"
    assert report["lines"][-1] == "  ! broken."


def test_a_check_without_a_verdict_is_a_problem() -> None:
    report = gpu_verdicts({"one": [{"failed": True, "msg": "There is no Python in /x."}, check()], "two": [{}]})
    assert [node["ok"] for node in report["nodes"].values()] == [False, False]
    assert report["nodes"]["one"]["verdict"] == "There is no Python in /x."
    assert len(report["nodes"]["one"]["gpus"]) == 1


def test_a_node_without_a_gpu() -> None:
    none = check(present=False, verdict="no GPU", cuda="", gpus=[])
    assert gpu_verdicts({"one": [none]})["lines"] == ["one: no GPU"]
