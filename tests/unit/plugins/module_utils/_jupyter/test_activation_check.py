# SPDX-License-Identifier: GPL-3.0-or-later
"""What is believed of a kernel that says which of its variables differ, and what is reported."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activation_check
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.bounded_connection import Place

PLACE = Place("", None, "/none", "/")
HOSTILE = ["", "1A", "A B", "A\n", "A\x1b[2J", "A=secret", "A" * 102, "Ä", 1, None, ["A"], {}]


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ('["CUDA_HOME", "PROJ_DATA"]\n', ["CUDA_HOME", "PROJ_DATA"]),
        ("[]\n", []),
        (json.dumps([*HOSTILE, "_a1"]), ["_a1"]),
        (json.dumps([f"V{number}" for number in range(99)]), [f"V{number}" for number in range(20)]),
        ('{"CUDA_HOME": 1}', []),
        ('"CUDA_HOME"', []),
        ("a line\n[]", []),
        ("", []),
        ("[" * 100_000, []),
        (OSError("timed out"), []),
    ],
)
def test_what_a_kernel_says(monkeypatch: pytest.MonkeyPatch, printed: str | OSError, names: list[str]) -> None:
    def printed_by(place: Place, path: str, token: str, code: str, deadline: float) -> str:
        assert (place, path, token, deadline) == (PLACE, "/channels", "hush", 9.0)
        assert code.endswith("\nmain(['OWN'])\n")
        compile(code, "code", "exec")
        if isinstance(printed, OSError):
            raise printed
        return printed

    monkeypatch.setattr(activation_check.kernel_run, "printed_by", printed_by)
    assert activation_check.differing(PLACE, "/channels", "hush", ["OWN"], 9.0) == names


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"spec": {"env": {"CUDA_VISIBLE_DEVICES": "1", "a b": "2"}}}', ["CUDA_VISIBLE_DEVICES"]),
        (b'{"spec": {"env": {"\'); import os; (\'": "1"}}}', []),
        (b'{"spec": {"env": 1}}', []),
        (b'{"spec": []}', []),
        (b"", []),
        (b"\xff", []),
        (b"[" * 100_000, []),
    ],
)
def test_what_a_kernelspec_sets(body: bytes, names: list[str]) -> None:
    assert activation_check.own_variables(body) == names


@pytest.mark.parametrize("answer", [None, 1, "CUDA_HOME", {"CUDA_HOME": 1}, HOSTILE])
def test_what_is_no_list_of_names_names_nothing(answer: Any) -> None:
    assert activation_check.names(answer) == []


def test_warning() -> None:
    assert activation_check.warning("ana", "jupyter@ana.service", "ai-dev", ("CUDA_HOME", "PROJ")) == (
        "The notebook server of ana: the kernel ai-dev has other variables than `conda run` gives: CUDA_HOME, PROJ. "
        "See `journalctl --unit jupyter@ana.service` for scripts that failed or took too long."
    )
