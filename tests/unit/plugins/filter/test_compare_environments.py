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
    assert compare_environments(nodes) == {"equal": equal, "lines": lines}


def test_of_two_groups_as_large_the_first_node_is_the_standard() -> None:
    lines = compare_environments({"b": [environment("1")], "a": [environment("2", numpy="2.5.0")]})["lines"]
    assert lines[1] == "  2222222222222222: a"


@pytest.mark.parametrize("nodes", [["a"], {"a": ["ai-dev"]}, {"a": [{"name": "ai-dev"}]}])
def test_another_shape_is_refused(nodes: Any) -> None:
    with pytest.raises(AnsibleTypeError, match="conda_environment_info"):
        compare_environments(nodes)


def test_it_is_found_by_its_name() -> None:
    assert FilterModule().filters() == {"compare_environments": compare_environments}
