# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are shown together, and what is said of those that differ."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import alike

Found = dict[str, Any]


def layer(digest: str = "d", state: str = "equal", **known: Any) -> Found:
    lists = {key: [] for key in ("changes", "problems", "unknown", "notes")}
    return {"state": state, "digest": digest, "found": {}, **lists, **known}


def host(digest: str | None, **known: Any) -> Found:
    layers = {} if digest is None else {"driver": layer(digest, found={"version": digest})}
    return {"state": "equal", "digest": digest, "message": "", "reboot": [], "restarts": [], "layers": layers, **known}


def report(**hosts: Found) -> Found:
    titles = [{"id": "driver", "title": "Driver"}, {"id": "jupyter", "title": "Jupyter"}]
    return {"layers": titles, "hosts": hosts}


def test_the_largest_group_is_first_and_hosts_that_could_not_be_asked_are_last() -> None:
    found = alike.groups(report(z=host(None), a=host("1"), b=host("2"), c=host(None), d=host("2"), e=host(None)))
    assert [(group.digest, group.hosts) for group in found] == [
        ("2", ("b", "d")),
        ("1", ("a",)),
        (None, ("z", "c", "e")),
    ]


def test_a_group_is_compared_with_the_one_that_it_has_most_in_common_with() -> None:
    both = {"driver": layer("x", found={"version": "580"}), "jupyter": layer("j")}
    odd = {"driver": layer("y", found={"version": "570"}), "jupyter": layer("j")}
    hosts = {
        **{name: host("largest") for name in "abc"},
        **{name: host("second", layers=both) for name in "de"},
        "f": host("odd", layers=odd),
    }
    found = {group.digest: group for group in alike.groups(report(**hosts))}
    assert found["largest"].like is None
    assert found["largest"].differs == ()
    assert found["second"].like == "largest"
    assert found["odd"].like == "second"
    assert found["odd"].differs == ("Driver: 570 instead of 580",)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"reboot": ["a new kernel"]}, id="a reboot"),
        pytest.param({"layers": {"driver": layer("1", notes=["full"])}}, id="a note"),
        pytest.param({"state": "unknown", "message": "no sudo"}, id="a message"),
    ],
)
def test_hosts_are_alike_where_their_rows_are(other: Found) -> None:
    (group,) = alike.groups(report(a=host("1"), b=host("1"), c=host("1", **other), d=host("1", seconds=9, since="now")))
    assert sorted(map(len, group.bundles)) in ([1, 3], [1, 1, 2])
    assert ("c",) in group.bundles


@pytest.mark.parametrize(
    ("here", "there", "line"),
    [
        (layer("1"), None, "Driver: declared here only"),
        (None, layer("1"), "Driver: not declared"),
        (
            layer("1", found={"version": ["12", "13"]}),
            layer("2", found={"version": "12"}),
            "Driver: 12, 13 instead of 12",
        ),
        (
            layer("1", found={"d": "0123456789abcdef01"}),
            layer("2", found={"d": "f" * 64}),
            "Driver: 01234567 instead of ffffffff",
        ),
        (layer("1", "drifted", changes=[{"what": "apt", "why": ["an upgrade"]}]), layer("2"), "Driver: an upgrade"),
        (layer("1", "drifted", changes=[{"what": "apt", "why": []}]), layer("2"), "Driver: apt would change"),
        (layer("1", "unknown"), layer("2", found={"version": "1"}), "Driver: unknown"),
        (layer("1"), layer("2", "drifted"), "Driver: equal"),
    ],
)
def test_what_is_said_of_a_difference(here: Found | None, there: Found | None, line: str) -> None:
    one, other = ({"layers": {"driver": found} if found else {}} for found in (here, there))
    assert list(alike.differences([{"id": "driver", "title": "Driver"}], one, other)) == [line]


def test_layers_that_are_the_same_are_not_mentioned() -> None:
    same = {"layers": {"driver": layer("1")}}
    assert list(alike.differences([{"id": "driver", "title": "Driver"}], same, same)) == []
