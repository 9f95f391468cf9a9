# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.upstream.conda.standin.conda_standin.environments import spec_name
from lab.upstream.conda.standin.conda_standin.records import in_order, installed_by_pip


@pytest.mark.parametrize(
    ("depends", "order"),
    [
        ({"b": [], "a": []}, ["a", "b"]),
        ({"a": ["b >=1"], "b": []}, ["b", "a"]),
        ({"a": ["python"], "python": ["pip"], "pip": ["python"]}, ["python", "a", "pip"]),
        ({"a": ["b"], "b": ["a"]}, ["b", "a"]),
        ({"a": ["elsewhere"]}, ["a"]),
    ],
)
def test_dependencies_come_first(depends: dict[str, list[str]], order: list[str]) -> None:
    records = [{"name": name, "depends": needed} for name, needed in depends.items()]
    assert [record["name"] for record in in_order(records)] == order


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("numpy", "numpy"),
        ("numpy=2", "numpy"),
        ("numpy >=2,<3", "numpy"),
        ("numpy[version='>2']", "numpy"),
        ("http://host/main/noarch::idna==3.20=py_0", "idna"),
        ("PyYAML!=6", "pyyaml"),
    ],
)
def test_name_of_a_specification(spec: str, name: str) -> None:
    assert spec_name(spec) == name


@pytest.mark.parametrize(
    ("files", "owned", "names"),
    [
        (("METADATA", "RECORD"), (), ["ruamel-yaml-clib"]),
        (("METADATA",), (), []),
        (("METADATA", "RECORD"), ("RECORD",), []),
    ],
    ids=["by pip", "half uninstalled", "by conda"],
)
def test_what_pip_installed(tmp_path: Path, files: tuple[str, ...], owned: tuple[str, ...], names: list[str]) -> None:
    folder = "lib/python3.11/site-packages/ruamel.yaml_clib-0.2.dist-info"
    (tmp_path / folder).mkdir(parents=True)
    for name in files:
        (tmp_path / folder / name).write_text("Name: Ruamel.yaml_clib\nVersion: 0.2\n")
    found = installed_by_pip(tmp_path, [{"files": [f"{folder}/{name}" for name in owned]}])
    assert [record["name"] for record in found] == names
