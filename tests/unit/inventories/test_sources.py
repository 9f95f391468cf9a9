# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories to copy mean what they say, with answers and facts as they are recorded.

The plugins for NetBox and Amazon EC2 are in other collections. Of their files the expressions are evaluated, by
Ansible's plugin constructed, for hosts with the variables that those plugins give them: the device of NetBox's REST
API with the slugs of its tags, and the instance of EC2's DescribeInstances, in lower case with underscores.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import cache_loader
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.gpus import merged

from tests.unit.inventories.reading import ROOT, read

SOURCES = ROOT / "inventories" / "sources"
EXAMPLE = ROOT / "inventories" / "example"
SLURM = ROOT / "tests" / "unit" / "plugins" / "inventory" / "slurm-24.11.5.json"
H100, V100 = "0x2330", "0x1db1"

DEVICE = {
    "id": 7,
    "display": "gpu07",
    "role": {"id": 3, "name": "GPU node", "slug": "gpu-node"},
    "site": {"id": 1, "name": "Berlin", "slug": "berlin"},
    "rack": {"id": 12, "name": "B12"},
    "status": {"value": "active", "label": "Active"},
    "primary_ip4": {"id": 40, "family": {"value": 4, "label": "IPv4"}, "address": "10.20.0.7/24"},
    "tags": ["canary"],
}
INSTANCE = {
    "instance_id": "i-0123456789abcdef0",
    "instance_type": "p5.48xlarge",
    "private_ip_address": "10.30.0.7",
    "placement": {"availability_zone": "eu-central-1a", "tenancy": "default"},
    "state": {"code": 16, "name": "running"},
    "tags": {"Name": "vision-7", "role": "gpu-node", "team": "vision"},
}


def expressions(name: str, hosts: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Return what the expressions of a source make of hosts with these variables."""
    options = yaml.safe_load((SOURCES / name).read_text())
    kept = {key: options[key] for key in ("compose", "groups", "keyed_groups") if key in options}
    asked = {"plugin": "ansible.builtin.constructed", "strict": True, **kept}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "z.yml").write_text(json.dumps(asked))
    return read(folder / "hosts.yml", folder / "z.yml")


def test_netbox(tmp_path: Path) -> None:
    switch = {**DEVICE, "role": {"slug": "switch"}, "tags": []}
    found = expressions("netbox.yml", {"gpu07": DEVICE, "switch1": switch}, tmp_path)
    assert found["gpu_nodes"]["hosts"] == ["gpu07"]
    assert found["site_berlin"]["hosts"] == ["gpu07", "switch1"]
    assert found["rack_b12"]["hosts"] == ["gpu07", "switch1"]
    assert found["tag_canary"]["hosts"] == ["gpu07"]


def test_ec2(tmp_path: Path) -> None:
    types = ["p3.8xlarge", "p4d.24xlarge", "g4dn.xlarge", "g5.xlarge", "g6e.xlarge", "gr6.4xlarge"]
    others = ["m7i.large", "g4ad.xlarge", "g5g.xlarge", "inf2.xlarge", "t3.micro"]
    hosts = {name: {**INSTANCE, "instance_type": name} for name in [*types, *others]}
    found = expressions("aws_ec2.yml", {"i-0": INSTANCE, **hosts}, tmp_path)
    assert sorted(found["gpu_nodes"]["hosts"]) == sorted(["i-0", *types])
    assert found["type_p5_48xlarge"]["hosts"] == ["i-0"]
    assert "i-0" in found["zone_eu_central_1a"]["hosts"]
    assert "i-0" in found["tag_team_vision"]["hosts"]
    assert found["_meta"]["hostvars"]["i-0"]["ansible_host"] == "10.30.0.7"


def test_slurm(tmp_path: Path) -> None:
    options = {**yaml.safe_load((SOURCES / "slurm.yml").read_text()), "file": str(SLURM)}
    (tmp_path / "slurm.yml").write_text(json.dumps(options))
    found = read(tmp_path / "slurm.yml")
    assert found["gpu_nodes"]["hosts"] == ["gpu001", "gpu002", "gpu003"]
    assert found["partition_train"]["hosts"] == ["gpu001", "gpu002", "gpu003"]
    assert found["partition_debug"]["hosts"] == ["cpu1", "cpu2"]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example with hosts of which facts are known."""
    shutil.copytree(EXAMPLE, tmp_path / "mine")
    return tmp_path / "mine"


def keep(folder: Path, host: str, device: str, count: int, *, loaded: str = "", installed: str = "") -> None:
    """Keep facts of a host's GPUs and driver, as Ansible keeps them."""
    driver = {"loaded": loaded, "installed": installed}
    gpus = [{"device_id": device, "name": "", "passed_through": False}] * count
    kept = {"ansible_architecture": "x86_64", "evenkeel_gpu": merged({"driver": driver, "gpus": gpus})}
    cache_loader.get("jsonfile", _uri=str(folder)).set(host, kept)


def test_groups_from_facts_and_their_variables(example: Path, tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    keep(facts, "gpu01.example.org", H100, 8, loaded="580.95.05", installed="590.10.1")
    keep(facts, "gpu02.example.org", V100, 2, installed="580.95.05")
    keep(facts, "gpu03.example.org", V100, 0)
    keep(facts, "elsewhere.example.org", H100, 8, loaded="580.95.05")
    (example / "others.yml").write_text(json.dumps({"others": {"hosts": {"elsewhere.example.org": {}}}}))
    (example / "group_vars" / "gpu_hopper.yml").write_text(json.dumps({"nvidia_driver_branch": "590"}))
    (example / "group_vars" / "driver_580.yml").write_text(json.dumps({"miniconda_version": "py312_26.5.3-1"}))

    found = read(example, facts=facts)
    assert found["gpu_hopper"]["hosts"] == ["gpu01.example.org"]
    assert found["gpu_volta"]["hosts"] == ["gpu02.example.org"]
    assert found["driver_580"]["hosts"] == ["gpu01.example.org", "gpu02.example.org"]
    assert "driver_590" not in found
    assert {name: found[f"gpus_{name}"]["hosts"] for name in (0, 2, 8)} == {
        0: ["gpu03.example.org"],
        2: ["gpu02.example.org"],
        8: ["gpu01.example.org"],
    }
    variables = found["_meta"]["hostvars"]
    assert variables["gpu01.example.org"]["miniconda_version"] == "py312_26.5.3-1"
    branches = {name: variables[name].get("nvidia_driver_branch") for name in sorted(variables)}
    assert branches == {
        "elsewhere.example.org": None,
        "gpu01.example.org": "590",
        "gpu02.example.org": "580",
        "gpu03.example.org": "580",
    }


def test_before_the_first_run_there_are_no_facts_and_no_groups_of_them(example: Path, tmp_path: Path) -> None:
    (tmp_path / "facts").mkdir()
    found = read(example, facts=tmp_path / "facts")
    assert [name for name in found if name.startswith(("gpus_", "driver_"))] == []
    assert "gpu_hopper" not in found or "hosts" not in found["gpu_hopper"]


def test_a_cluster_in_one_line(example: Path) -> None:
    text = (example / "hosts.yml").read_text()
    ranged = text.replace("# node[001:200].example.org:", "node[001:200].example.org:")
    assert ranged != text
    (example / "hosts.yml").write_text(ranged)
    hosts = read(example)["training"]["hosts"]
    assert {"node001.example.org", "node042.example.org", "node200.example.org"} < set(hosts)
    assert len(hosts) == 202
