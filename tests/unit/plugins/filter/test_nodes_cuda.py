# SPDX-License-Identifier: GPL-3.0-or-later
"""The CUDA version that the nodes of an environment support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.gpu.plugins.filter.nodes_cuda import FilterModule
from jinja2 import StrictUndefined

from tests.unit.plugins.tagged import tagged

NEEDS_FACTS = object()
OLD, NEW = "12.8", "13.0"


class Variables(Mapping[str, Any]):
    """A host's variables, some of which need facts of the host."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values_ = values

    def __getitem__(self, name: str) -> Any:
        if self.values_[name] is NEEDS_FACTS:
            return StrictUndefined("'ansible_facts' has no attribute 'distribution'")
        return tagged(self.values_[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "environment.yml").write_text("dependencies: [python]\n")
    (tmp_path / "a" / "other.yml").write_text("dependencies: [python]\n")
    return tmp_path


def cuda(environments: Path, file: str, *hosts: dict[str, Any], **options: Any) -> str:
    """Return the CUDA version for an environment, where the first host has an old driver and others have a new one."""
    nodes = {f"n{number}": {"nvidia_driver_branch": "580", **host} for number, host in enumerate(hosts)}
    nodes["n0"] = {**nodes["n0"], "nvidia_driver_branch": "570"}
    hostvars = {name: Variables(variables) for name, variables in nodes.items()}
    (found,) = FilterModule().filters()["nodes_cuda"](
        [str(environments / file)], hostvars, list(nodes), str(environments), **options
    )
    assert found["environment"] == str(environments / file)
    version: str = found["cuda"]
    return version


A = {"conda_environments_list": [{"name": "a"}]}
B = {"conda_environments_list": [{"name": "b"}]}


@pytest.mark.parametrize(
    ("file", "hosts", "version"),
    [
        ("a/environment.yml", [A, A], OLD),
        ("a/environment.yml", [B, A], NEW),
        ("b/environment.yml", [B, A], OLD),
        ("a/environment.yml", [B, B], OLD),
        ("a/environment.yml", [{}, {}], OLD),
        ("a/environment.yml", [{}, A], NEW),
        ("a/other.yml", [A, {"conda_environments_list": [{"name": "x", "environment": "a/other.yml"}]}], NEW),
        ("a/environment.yml", [B, {"conda_environments_list": [{"name": "x", "lock": "a/conda-lock.yml"}]}], NEW),
        ("a/environment.yml", [{"conda_environments_list": [{"name": "a", "state": "absent"}]}, A], NEW),
        ("a/environment.yml", [{"conda_environments_list": [{"name": "a", "packages": ["python"]}]}, A], NEW),
        ("a/environment.yml", [{**A, "conda_environments_directory": "/elsewhere"}, A], NEW),
        ("a/environment.yml", [{"conda_environments_list": NEEDS_FACTS}, A], OLD),
        ("a/environment.yml", [{"conda_environments_list": ["a", {}]}, A], NEW),
        ("a/environment.yml", [{"conda_environments_list": None}, A], NEW),
        ("a/environment.yml", [{"conda_environments_list": []}, A], NEW),
    ],
)
def test_the_nodes_that_have_an_environment_count(
    environments: Path, file: str, hosts: list[dict[str, Any]], version: str
) -> None:
    assert cuda(environments, file, *hosts) == version


def test_a_node_without_a_driver_does_not_count(environments: Path) -> None:
    without = {"nvidia_driver_branch": "", "nvidia_driver_without_gpu": False}
    assert cuda(environments, "a/environment.yml", B, A, {**A, **without}, default="535") == NEW
    assert cuda(environments, "a/environment.yml", B, {**A, **without}, default="535") == ""


@pytest.mark.parametrize("given", ["12.4", ""])
def test_a_given_version_wins(environments: Path, given: str) -> None:
    assert cuda(environments, "a/environment.yml", {"nvidia_driver_version": NEEDS_FACTS}, given=given) == given


def test_a_driver_that_needs_facts_is_named(environments: Path) -> None:
    with pytest.raises(AnsibleFilterError, match="nvidia_driver_version of n1 can't be known without facts"):
        cuda(environments, "a/environment.yml", A, {"nvidia_driver_version": NEEDS_FACTS})
