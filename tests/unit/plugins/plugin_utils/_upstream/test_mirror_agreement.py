# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a run ask for the same mirror, where one is chosen for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import mirror_agreement

LIST = ["tuna", "bfsu"]


def check(*wishes: Any) -> dict[str, Any]:
    """Return the check for nodes with these wishes; None is a node without one."""
    hostvars = {str(n): {} if wish is None else {"evenkeel_mirror": wish} for n, wish in enumerate(wishes)}
    return mirror_agreement.check(hostvars, hostvars)


@pytest.mark.parametrize(
    "wishes",
    [
        [],
        [None],
        ["tuna", "bfsu", None],
        ["tuna", {"url": "https://a"}],
        [LIST],
        [LIST, list(LIST)],
        [["tuna", {"url": "https://a", "name": "a"}], ["tuna", {"url": "https://a", "name": "a"}]],
    ],
    ids=str,
)
def test_single_mirrors_may_differ_and_lists_may_not(wishes: list[Any]) -> None:
    assert check(*wishes)["ok"]


@pytest.mark.parametrize(
    ("wishes", "shown"),
    [
        ([LIST, ["bfsu", "tuna"]], '["tuna", "bfsu"] and ["bfsu", "tuna"]'),
        (["tuna", "tuna", LIST], '"tuna" and ["tuna", "bfsu"]'),
        ([LIST, None], '["tuna", "bfsu"] and "anaconda"'),
    ],
    ids=str,
)
def test_a_list_that_differs_is_a_problem(wishes: list[Any], shown: str) -> None:
    found = check(*wishes)
    assert not found["ok"]
    assert f"differs between the nodes of this run: {shown}. One mirror" in found["problem"]


class Counting(Mapping[str, Mapping[str, Any]]):
    """Variables of hosts that count how often each host's are read."""

    def __init__(self, hosts: int) -> None:
        self.hosts = [str(number) for number in range(hosts)]
        self.read: Counter[str] = Counter()

    def __getitem__(self, host: str) -> Mapping[str, Any]:
        self.read[host] += 1
        return {"evenkeel_mirror": LIST}

    def __iter__(self) -> Iterator[str]:
        return iter(self.hosts)

    def __len__(self) -> int:
        return len(self.hosts)


@pytest.mark.parametrize("hosts", [1, 10, 1000])
def test_each_hosts_variables_are_read_once(hosts: int) -> None:
    hostvars = Counting(hosts)
    mirror_agreement.check(hostvars, hostvars.hosts)
    assert set(hostvars.read.values()) == {1}
    assert len(hostvars.read) == hosts
