# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules tell of nodes that the role conda_environments has been to, and of nodes that can't run py-rattler."""

from __future__ import annotations

from typing import Any

import pytest

from lab.nodes.fleet import Fleet, agreed

INFO = "evenkeel.gpu.conda_environment_info"


@pytest.fixture(scope="module")
def nodes(fleet: Fleet) -> dict[str, dict[str, dict[str, Any]]]:
    """All environments that Evenkeel keeps, by node and name."""
    found = fleet.module(INFO, size=True, verify="files").of_node
    return {node: {one["name"]: one for one in fields["environments"]} for node, fields in found.items()}


@pytest.fixture(scope="module")
def environments(nodes: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The same on one of the nodes."""
    return nodes[max(nodes)]


def test_all_of_them_are_told(environments: dict[str, dict[str, Any]]) -> None:
    locked = {"locked", "by-sha256", "by-md5", "by-conda-lock", "by-pixi", "by-conda"}
    assert set(environments) == {"listed.2", "solved", *locked}
    for one in environments.values():
        assert one["drift"] == []
        (generation,) = one["generations"]
        assert generation["in_use"]
        assert generation["digest"] == one["digest"]
        assert generation["digest"].startswith(one["generation"])


def test_what_people_asked_for_is_told(environments: dict[str, dict[str, Any]]) -> None:
    assert environments["listed.2"]["requested"] == ["idna", "python=3.11"]
    assert environments["solved"]["variables"] == {"SOLVED_THREADS": "8"}
    assert environments["by-pixi"]["requested"] == []


def test_every_node_has_the_same(nodes: dict[str, dict[str, dict[str, Any]]]) -> None:
    reported = ("digest", "generation", "packages", "requested", "variables", "drift", "user_files")
    assert agreed(
        {node: {name: {key: one[key] for key in reported} for name, one in of.items()} for node, of in nodes.items()},
        "environments",
    )


def test_an_environment_costs_its_own_files_alone(environments: dict[str, dict[str, Any]]) -> None:
    for one in environments.values():
        assert 0 < one["size"]["own"] < one["size"]["total"] / 20, one["name"]


def test_an_environment_made_by_hand_is_told(fleet: Fleet, environments: dict[str, dict[str, Any]]) -> None:
    (by_hand,) = fleet.module(INFO, prefix="/srv/by-hand")["environments"]
    assert by_hand["digest"] == environments["listed.2"]["digest"]
    assert by_hand["requested"] == ["idna", "python=3.11"]
    assert by_hand["generations"] == []


@pytest.fixture
def old_python(fleet: Fleet) -> str:
    """A distribution whose record names an interpreter that is too old."""
    prefix = "/srv/old-distribution"
    record = '{"name": "python", "version": "3.9.25"}'
    fleet.run(
        f"mkdir --parents {prefix}/bin {prefix}/conda-meta && cd {prefix}"
        f" && ln --force --symbolic /usr/bin/python3 bin/python && echo '{record}' >conda-meta/python-3.9.25-0.json"
    )
    return f"{prefix}/bin/python"


def test_where_python_is_too_old_conda_builds_and_it_is_said(
    fleet: Fleet, environments: dict[str, dict[str, Any]], old_python: str
) -> None:
    runtime = fleet.module("evenkeel.gpu.conda_runtime", python=old_python)
    assert runtime["reason"] == f"{old_python} is Python 3.9.25, and py-rattler needs 3.10 or newer"
    packages = ("python=3.11", "idna")
    built = fleet.environment("old-python", *packages, python=old_python, runtime=runtime["path"])
    fleet.environment("old-python", state="absent", runtime=runtime["path"])
    assert built["installer"] == "conda"
    assert built["digest"] == environments["listed.2"]["digest"]
    why = f"the private runtime {runtime['path']} has no py-rattler"
    assert f"The environment old-python is built with conda: {why}" in built.shown
