# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories of other collections' plugins, asked of answers in the form of NetBox's and Amazon EC2's APIs.

The answers are written by the serializers of NetBox 4.6 and by EC2's reference of DescribeInstances.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs

import pytest

from lab import cache, locks, paths
from tests.engines import conftest
from tests.engines.loopback import Answer, Request, served
from tests.unit.inventories.reading import plain

ANSWERS = Path(__file__).parent / "answers"
SOURCES = conftest.ROOT / "inventories" / "sources"
#: The package with the collections, and what their plugins import.
ANSIBLE, LIBRARIES = "ansible==12.3.0", ("boto3", "pytz")
COLLECTIONS = ("amazon/aws", "netbox/netbox")


@pytest.fixture(scope="session")
def others() -> dict[str, str]:
    """An environment in which Ansible finds the collections and what their plugins import."""
    folder = paths.CACHE / f"inventories-{cache.key(ANSIBLE, LIBRARIES, COLLECTIONS)}"
    with locks.held("inventories"):
        if not folder.exists():
            stage = cache.staging(folder)
            gather(stage)
            stage.rename(folder)
    return {"ANSIBLE_COLLECTIONS_PATH": str(folder), "PYTHONPATH": str(folder / "python")}


def gather(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip"]
    with TemporaryDirectory() as scratch:
        conftest.run(*pip, "download", "--quiet", "--no-deps", "--dest", scratch, ANSIBLE)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(wanted)])
    conftest.run(*pip, "install", "--quiet", "--target", str(folder / "python"), *LIBRARIES)


def read(source: str, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return an inventory as ``ansible-inventory --list`` prints it."""
    own = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_HOME": str(folder)}
    done = conftest.attempt(
        "ansible-inventory", f"--inventory={SOURCES / source}", "--list", cwd=folder, **environment, **own
    )
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{\n") :], object_hook=plain)
    return found


def test_netbox(others: dict[str, str], tmp_path: Path) -> None:
    lists = json.loads((ANSWERS / "netbox-4.6.json").read_text())
    filters = ("role", "status", "has_primary_ip")

    def matches(host: dict[str, Any], asked: Mapping[str, list[str]]) -> bool:
        values = {
            "role": host["role"]["slug"],
            "status": host["status"]["value"],
            "has_primary_ip": str(bool(host["primary_ip"])).lower(),
        }
        return all(values[name] in asked[name] for name in filters if name in asked)

    def answer(asked: Request) -> Answer:
        if asked.headers["Authorization"] != "Token secret":
            return 403, "{}"
        if asked.path == "/api/status/":
            return 200, json.dumps({"netbox-version": "4.6.8"})
        if asked.path == "/api/schema/":
            parameters = [{"name": name} for name in filters]
            of_hosts = ("/api/dcim/devices/", "/api/virtualization/virtual-machines/")
            described = {name: {"get": {"parameters": parameters}} for name in of_hosts}
            return 200, json.dumps({"info": {"version": "4.6.8 (4.6)"}, "paths": described})
        found = [one for one in lists.get(asked.path, ()) if "primary_ip" not in one or matches(one, asked.query)]
        return 200, json.dumps({"count": len(found), "next": None, "previous": None, "results": found})

    with served(answer) as url:
        found = read("netbox.yml", tmp_path, {**others, "NETBOX_API": url, "NETBOX_TOKEN": "secret"})
    hosts = found["_meta"]["hostvars"]
    assert sorted(hosts) == ["gpu07", "gpu08", "vgpu1"]
    assert {name: hosts[name]["ansible_host"] for name in hosts} == {
        "gpu07": "10.20.0.7",
        "gpu08": "10.20.0.8",
        "vgpu1": "10.20.1.1",
    }
    groups = {name: found[name]["hosts"] for name in found["all"]["children"] if name != "ungrouped"}
    assert groups == {
        "gpu_nodes": ["gpu07", "gpu08", "vgpu1"],
        "site_berlin": ["gpu07", "gpu08", "vgpu1"],
        "rack_b12": ["gpu07", "gpu08"],
        "tag_canary": ["gpu07"],
    }


def test_ec2(others: dict[str, str], tmp_path: Path) -> None:
    requests: list[Mapping[str, list[str]]] = []

    def answer(asked: Request) -> Answer:
        requests.append(parse_qs(asked.body))
        return 200, (ANSWERS / "ec2-2016-11-15.xml").read_text()

    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    with served(answer) as url:
        found = read("aws_ec2.yml", tmp_path, {**others, **keys, "AWS_ENDPOINT_URL": url})
    (asked,) = requests
    filters = {asked[f"Filter.{number}.Name"][0]: asked[f"Filter.{number}.Value.1"][0] for number in (1, 2)}
    assert asked["Action"] == ["DescribeInstances"]
    assert filters == {"instance-state-name": "running", "tag:role": "gpu-node"}
    groups = {name: found[name].get("hosts") for name in found["all"]["children"] if name != "ungrouped"}
    gpu, other = "i-0123456789abcdef0", "i-0123456789abcdef1"
    assert groups["gpu_nodes"] == [gpu]
    assert groups["type_p5_48xlarge"] == [gpu]
    assert groups["zone_eu_central_1b"] == [other]
    assert groups["tag_team_vision"] == [gpu]
    assert found["_meta"]["hostvars"][gpu]["ansible_host"] == "10.30.0.7"
