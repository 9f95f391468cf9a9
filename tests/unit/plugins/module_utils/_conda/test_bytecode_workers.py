# SPDX-License-Identifier: GPL-3.0-or-later
"""How the compilation of bytecode is divided."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_workers as bytecode
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_workers import Task


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], []),
        ([[]], []),
        ([[1]], [[1]]),
        ([[1, 600_000, 2]], [[600_000], [2, 1]]),
        ([[300_000, 200_000, 100_000, 50_000]], [[300_000, 200_000, 100_000], [50_000]]),
        ([[1, 2], [600_000, 3]], [[600_000], [2, 1], [3]]),
    ],
)
def test_batches(groups: list[list[int]], expected: list[list[int]]) -> None:
    tasks = [[Task("", str(size), "", "", size) for size in sizes] for sizes in groups]
    assert [[task.size for task in batch] for batch in bytecode.batches(tasks)] == expected


def test_many_small_files_are_many_batches() -> None:
    tasks = [Task("", str(number), "", "", 0) for number in range(1000)]
    assert [len(batch) for batch in bytecode.batches([tasks])] == [256, 256, 256, 232]
