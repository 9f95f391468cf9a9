# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a Slurm cluster, of an answer that slurmctld 24.11.5 gave about nodes that are not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.inventories.reading import NotRead, read

ANSWER = Path(__file__).with_name("slurm-24.11.5.json")


def slurm(folder: Path, **options: Any) -> dict[str, Any]:
    """Return the inventory that a file with these options means."""
    (folder / "slurm.yml").write_text(json.dumps({"plugin": "evenkeel.gpu.slurm", **options}))
    return read(folder / "slurm.yml")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    shutil.copy(ANSWER, tmp_path / "answer.json")
    return tmp_path


def test_hosts_and_what_slurm_knows_of_them(recorded: Path) -> None:
    found = slurm(recorded, file="answer.json")
    assert sorted(found["_meta"]["hostvars"]) == ["cpu1", "cpu2", "gpu001", "gpu002", "gpu003"]
    known = found["_meta"]["hostvars"]["gpu002"]
    assert {name: known[name] for name in sorted(known) if name != "ansible_local"} == {
        "ansible_host": "10.20.0.2",
        "slurm_cpus": 64,
        "slurm_features": ["hopper", "nvlink"],
        "slurm_gpu_types": ["h100"],
        "slurm_gpus": 8,
        "slurm_memory_mib": 512000,
        "slurm_partitions": ["train"],
        "slurm_reason": "fan",
        "slurm_state": ["unknown", "drain"],
    }


def test_groups_of_expressions(recorded: Path) -> None:
    found = slurm(
        recorded,
        file="answer.json",
        groups={"gpu_nodes": "slurm_gpus > 0"},
        keyed_groups=[{"prefix": "partition", "key": "slurm_partitions"}],
        compose={"site": "'of ' ~ slurm_partitions | first"},
    )
    assert found["gpu_nodes"]["hosts"] == ["gpu001", "gpu002", "gpu003"]
    assert found["partition_debug"]["hosts"] == ["cpu1", "cpu2"]
    assert found["_meta"]["hostvars"]["cpu1"]["site"] == "of debug"


def test_only_the_nodes_of_a_list(recorded: Path) -> None:
    found = slurm(recorded, file="answer.json", nodes="gpu[001-002]")
    assert sorted(found["_meta"]["hostvars"]) == ["gpu001", "gpu002"]


def test_a_node_that_slurm_does_not_have_is_an_error(recorded: Path) -> None:
    with pytest.raises(NotRead, match=r"Slurm has no node gpu004, gpu005\. Change the option nodes"):
        slurm(recorded, file="answer.json", nodes="gpu[001-005]")


def test_the_command_is_asked(recorded: Path) -> None:
    found = slurm(recorded, command=["cat", str(recorded / "answer.json")])
    assert len(found["_meta"]["hostvars"]) == 5


def test_a_reason_is_no_template(tmp_path: Path) -> None:
    node = {"name": "gpu1", "reason": "{{ lookup('pipe', 'false') }}"}
    (tmp_path / "answer.json").write_text(json.dumps({"nodes": [node]}))
    found = slurm(tmp_path, file="answer.json", compose={"why": "slurm_reason"})
    assert found["_meta"]["hostvars"]["gpu1"]["slurm_reason"] == node["reason"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"command": ["/nowhere/scontrol"]}, "Slurm can't be asked for its nodes"),
        ({"command": ["sleep", "60"], "timeout": 1}, "timed out after 1 seconds"),
        ({"command": ["sh", "-c", "echo no controller >&2; exit 1"]}, "ended with status 1: no controller"),
        ({"command": ["true"]}, "no JSON with nodes"),
        ({"file": "nowhere.json"}, "nowhere.json can't be read"),
    ],
)
def test_an_answer_that_does_not_come(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    with pytest.raises(NotRead) as error:
        slurm(tmp_path, **options)
    assert why in str(error.value)
