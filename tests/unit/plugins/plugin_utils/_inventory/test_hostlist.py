# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm's spelling of many names."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._inventory.hostlist import expanded


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gpu1", ["gpu1"]),
        ("gpu[1-3]", ["gpu1", "gpu2", "gpu3"]),
        ("gpu[008-011]", ["gpu008", "gpu009", "gpu010", "gpu011"]),
        ("gpu[1,3-4,12],login1", ["gpu1", "gpu3", "gpu4", "gpu12", "login1"]),
        ("r[1-2]n[1-2]-ib.example.org", [f"r{r}n{n}-ib.example.org" for r in (1, 2) for n in (1, 2)]),
        ("gpu2,gpu[1-2]", ["gpu2", "gpu1"]),
        (" gpu1 ", ["gpu1"]),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert expanded(text) == names


def test_two_hundred_nodes_in_one_line() -> None:
    names = expanded("node[001-200]")
    assert (len(names), names[0], names[-1]) == (200, "node001", "node200")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpu[001:200]", "neither a name"),  # Ansible's spelling
        ("gpu[1-3", "neither a name"),
        ("gpu 1", "neither a name"),
        ("gpu1,,gpu2", "neither a name"),
        ("{{ x }}", "neither a name"),
        ("gpu[]", "neither a name"),
        ("gpu[3-1]", "'3-1' is no range"),
        ("gpu[-3]", "'-3' is no range"),
        ("gpu[1-99999999999]", "is no range"),
        ("r[1-999]n[1-999]", "more than 65536"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(EvenkeelError, match="Write it as Slurm does") as error:
        expanded(text)
    assert why in str(error.value)
