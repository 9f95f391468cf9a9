# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleTypeError
from ansible_collections.evenkeel.gpu.plugins.filter.compare_environments import FilterModule, compare_environments


def environment(digest: str, *drift: str, name: str = "ai-dev", numpy: str = "2.4.6") -> dict[str, Any]:
    packages = [
        {
            "name": "numpy",
            "version": numpy,
            "build": "0",
            "sha256": numpy,
            "url": "https://mirror.example/main/noarch/n",
        }
    ]
    return {"name": name, "digest": digest * 16, "packages": packages, "drift": list(drift)}


FIRST = {"evenkeel": "0.2.0", "file": "conda-lock.yml", "commit": "1a" * 20, "built": "2026-01-01"}
LATER = {**FIRST, "commit": "2b" * 20}


@pytest.mark.parametrize(
    ("nodes", "equal", "lines"),
    [
        (
            {node: [{**environment("1"), "origin": {**FIRST, "built": node}}] for node in "ab"},
            True,
            [
                "ai-dev: the same on all 2 nodes, digest 1111111111111111",
                "  built from conda-lock.yml, commit 1a1a1a1a1a1a, by Evenkeel 0.2.0",
            ],
        ),
        (
            {"a": [{**environment("1"), "origin": FIRST}], "b": [{**environment("1"), "origin": LATER}], "c": []},
            False,
            [
                "ai-dev: 2 digests on 3 nodes",
                "  1111111111111111: a, b",
                "    built from conda-lock.yml, commit 1a1a1a1a1a1a, by Evenkeel 0.2.0 on a",
                "    built from conda-lock.yml, commit 2b2b2b2b2b2b, by Evenkeel 0.2.0 on b",
                "  absent: c",
            ],
        ),
        ({}, True, []),
        ({"a": [], "b": []}, True, []),
        (
            {"a": [environment("1")], "b": [environment("1")]},
            True,
            ["ai-dev: the same on all 2 nodes, digest 1111111111111111"],
        ),
        (
            {"a": [environment("2", numpy="2.5.0")], "b": [environment("1")], "c": [environment("1")]},
            False,
            [
                "ai-dev: 2 digests on 3 nodes",
                "  1111111111111111: b, c",
                "  2222222222222222: a",
                "    ~ numpy 2.4.6 -> 2.5.0",
            ],
        ),
        (
            {"a": [environment("1")], "b": []},
            False,
            ["ai-dev: 2 digests on 2 nodes", "  1111111111111111: a", "  absent: b"],
        ),
        (
            {"a": [environment("1", "- six 1.17.0")], "b": [environment("1")]},
            False,
            ["ai-dev: drifted", "  1111111111111111: a, b", "  drifted on a:", "    - six 1.17.0"],
        ),
        (
            {"a": [environment("1", name="x"), environment("2", name="y")], "b": [environment("1", name="x")]},
            False,
            [
                "x: the same on all 2 nodes, digest 1111111111111111",
                "y: 2 digests on 2 nodes",
                "  2222222222222222: a",
                "  absent: b",
            ],
        ),
    ],
    ids=[
        "one origin",
        "two origins",
        "no nodes",
        "no environments",
        "equal",
        "other packages",
        "absent",
        "drifted",
        "two environments",
    ],
)
def test_comparison(nodes: dict[str, Any], equal: bool, lines: list[str]) -> None:
    report = compare_environments(nodes)
    assert (report["equal"], report["lines"]) == (equal, lines)


def test_nodes_are_compared_with_their_locks_in_one_table() -> None:
    nodes = {
        **{f"gpu{number}": [environment("1"), environment("3", name="old")] for number in range(1, 11)},
        "gpu13": [environment("2")],
        "gpu14": [environment("1", "+ six 1.17.0")],
        "gpu15": [],
        "gpu16": [environment("1"), environment("4", name="new")],
    }
    locked, without = {"ai-dev": {"digest": "1" * 16}}, {"old": {"why": "it has no lock"}}
    locks = {node: {**locked, **(without if len(nodes[node]) > 1 and node != "gpu16" else {})} for node in nodes}
    unread = {"gpu17": "no route\x1b[2J\nto host", "gpu2b": "no route\x1b[2J\nto host"}
    report = compare_environments(nodes, locks, unread)
    assert report["table"] == [
        "ENVIRONMENT  STATE          DIGEST            NODES",
        r"-            not read       -                 gpu2b, gpu17: no route\x1b[2J to host",
        "ai-dev       drifted        1111111111111111  gpu14",
        "ai-dev       not as locked  2222222222222222  gpu13",
        "ai-dev       absent         -                 gpu15",
        "ai-dev       as locked      1111111111111111  gpu1, gpu2, gpu3, gpu4, gpu5, gpu6, gpu7, gpu8 and 3 more",
        "new          not declared   4444444444444444  gpu16",
        "old          no lock        3333333333333333  gpu1, gpu2, gpu3, gpu4, gpu5, gpu6, gpu7, gpu8, gpu9, gpu10",
    ]
    assert not report["locked"]


@pytest.mark.parametrize(
    ("nodes", "lock", "locked"),
    [
        ({"a": [environment("1")], "b": [environment("1")]}, {"digest": "1" * 16}, True),
        ({"a": [environment("1")]}, {"why": "it has no lock"}, True),
        ({"a": [environment("1")], "b": [environment("1")]}, {"digest": "2" * 16}, False),
        ({"a": [environment("1", "- six")]}, {"digest": "1" * 16}, False),
        ({"a": []}, {"digest": "1" * 16}, False),
        ({"a": []}, {"why": "it has no lock"}, False),
        ({}, {}, True),
    ],
)
def test_whether_all_is_as_locked(nodes: dict[str, Any], lock: dict[str, str], locked: bool) -> None:
    assert compare_environments(nodes, {node: {"ai-dev": lock} for node in nodes})["locked"] == locked


def test_of_two_groups_as_large_the_first_node_is_the_standard() -> None:
    lines = compare_environments({"b": [environment("1")], "a": [environment("2", numpy="2.5.0")]})["lines"]
    assert lines[1] == "  2222222222222222: a"


@pytest.mark.parametrize("nodes", [["a"], {"a": ["ai-dev"]}, {"a": [{"name": "ai-dev"}]}])
def test_another_shape_is_refused(nodes: Any) -> None:
    with pytest.raises(AnsibleTypeError, match="conda_environment_info"):
        compare_environments(nodes)


def test_it_is_found_by_its_name() -> None:
    assert FilterModule().filters() == {"compare_environments": compare_environments}


def test_it_is_said_once_why_no_lock_has_an_environment() -> None:
    locks = {node: {"ai-dev": {"why": "lock.yml is no\nYAML"}, "b": {"digest": "2" * 16}} for node in "ab"}
    report = compare_environments({"a": [environment("1")], "b": [environment("1")]}, locks)
    assert report["lines"] == [
        "ai-dev: lock.yml is no YAML",
        "ai-dev: the same on all 2 nodes, digest 1111111111111111",
    ]
