# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of many nodes as a list for export.yml."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._adopt import exports

Nodes = dict[str, dict[str, Any]]


def place(path: str, fingerprint: str = "0a", owner: str = "root", kind: str = "environment") -> dict[str, Any]:
    return {
        "path": path,
        "kind": kind,
        "owner": owner,
        "packages": 3,
        "fingerprint": fingerprint,
        "bytes": 1 << 30,
        "measured": True,
    }


def nodes(**places: list[dict[str, Any]]) -> Nodes:
    return {name: {"conda": found} for name, found in places.items()}


@pytest.mark.parametrize(
    ("found", "entries"),
    [
        ({}, []),
        ({"gpu1": {"failed": "No route to host"}}, []),
        (nodes(gpu1=[place("/opt/conda", kind="distribution"), {**place("/opt/c/envs/empty"), "packages": 0}]), []),
        (nodes(gpu1=[place("/opt/c/envs/nlp")], gpu2=[place("/opt/c/envs/nlp")]), [("nlp", "gpu1", "/opt/c/envs/nlp")]),
        (
            nodes(
                gpu1=[place("/opt/c/envs/nlp", "0b")], gpu2=[place("/opt/c/envs/nlp")], gpu3=[place("/opt/c/envs/nlp")]
            ),
            [("nlp", "gpu2", "/opt/c/envs/nlp"), ("nlp-root", "gpu1", "/opt/c/envs/nlp")],
        ),
        (
            nodes(
                gpu1=[
                    place("/home/ana/c/envs/nlp", "0a", "ana"),
                    place("/home/bo/c/envs/nlp", "0b", "bo"),
                    place("/home/bo/m/envs/nlp", "0c", "bo"),
                ]
            ),
            [
                ("nlp", "gpu1", "/home/ana/c/envs/nlp"),
                ("nlp-bo", "gpu1", "/home/bo/c/envs/nlp"),
                ("nlp-2", "gpu1", "/home/bo/m/envs/nlp"),
            ],
        ),
        (nodes(gpu1=[place("/opt/c/envs/.my+env~")]), [("my-env-", "gpu1", "/opt/c/envs/.my+env~")]),
        (nodes(gpu1=[place("/opt/c/envs/base")]), [("base-root", "gpu1", "/opt/c/envs/base")]),
        (nodes(gpu1=[place("/opt/c/envs/{{ lookup('pipe', 'id') }}"), place("/x/a\nb"), place("/x/a\\x1b")]), []),
    ],
)
def test_each_environment_is_there_once(found: Nodes, entries: list[tuple[str, str, str]]) -> None:
    text = exports.render(exports.of_nodes(found))
    listed = yaml.safe_load(text)["export_list"]
    assert [(one["name"], one["node"], one["prefix"]) for one in listed] == entries


def test_the_file_says_where_each_is_and_what_is_known_of_it() -> None:
    there = {f"gpu{number}": [place("/opt/c/envs/nlp")] for number in range(1, 6)}
    assert exports.render(exports.of_nodes(nodes(**there))).splitlines()[2:] == [
        "",
        "export_list:",
        "  # gpu1, gpu2, gpu3 and 2 more: /opt/c/envs/nlp: environment of root, 3 packages (0a), 1.0G",
        "  - {name: nlp, node: gpu1, prefix: /opt/c/envs/nlp}",
    ]


def test_what_nodes_have_of_the_same_path_and_other_packages() -> None:
    found = nodes(
        gpu1=[place("/opt/c/envs/nlp"), place("/x/envs/same")],
        gpu2=[place("/opt/c/envs/nlp", "0b"), place("/x/envs/same")],
        gpu3=[place("/opt/c/envs/nlp"), place("/opt/c", "0c", kind="distribution")],
        gpu4=[place("/opt/c", "0d", kind="distribution")],
    )
    assert exports.differing(found) == ["/opt/c/envs/nlp: 2 with different packages: 0a on gpu1, gpu3; 0b on gpu2"]
