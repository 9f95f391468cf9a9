# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.nodes import inventory
from lab.nodes.nodes import Node

NODES = [
    Node("debian12-1", "demo", "debian12", "10.0.0.5"),
    Node("debian12-2", "demo", "debian12", "10.0.0.6"),
    Node("debian13-1", "demo", "debian13", "10.0.0.7"),
]


def test_every_node_is_a_gpu_node_of_its_release() -> None:
    found = inventory.render(NODES, {}, {})
    assert found["gpu_nodes"]["children"] == ["debian12", "debian13"]
    assert found["debian12"]["hosts"] == ["debian12-1", "debian12-2"]
    assert found["debian13"]["hosts"] == ["debian13-1"]


def test_a_release_that_is_not_always_there_gets_its_group_with_its_nodes() -> None:
    found = inventory.render([Node("rocky9-1", "demo", "rocky9", "10.0.0.8")], {}, {})
    assert found["gpu_nodes"]["children"] == ["debian12", "debian13", "rocky9"]
    assert found["rocky9"] == {"hosts": ["rocky9-1"]}


def test_a_release_has_variables_of_its_own() -> None:
    of_release = {"ubuntu2404": {"lab_ubuntu_archive": "http://10.0.0.2"}, "ubuntu2204": {}}
    found = inventory.render([Node("ubuntu2404-1", "demo", "ubuntu2404", "10.0.0.8")], {}, of_release)
    assert found["ubuntu2404"] == {"hosts": ["ubuntu2404-1"], "vars": {"lab_ubuntu_archive": "http://10.0.0.2"}}
    assert "ubuntu2204" not in found


def test_a_machine_has_the_repositories_and_keys_of_the_containers_it_is_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inventory.nvidia_repositories, "sums", lambda: {"keyring": {"debian12": "d"}})
    monkeypatch.setattr(inventory.ubuntu_repositories, "keyring_sums", lambda: {"ubuntu2404": "u"})
    monkeypatch.setattr(inventory.mirror, "url", lambda: "http://10.0.0.2")
    monkeypatch.setattr(
        inventory.nodes, "find", lambda group: [Node("ubuntu2404vm-1", group, "ubuntu2404vm", "10.0.0.9")]
    )
    found = inventory.read("demo")
    sums = found["all"]["vars"]["lab_nvidia_keyring_sha256"]
    assert (sums["ubuntu2404vm"], sums["debian12vm"]) == ("u", "d")
    assert found["ubuntu2404vm"]["vars"]["lab_ubuntu_archive"] == "http://10.0.0.2/ubuntu/archive"


def test_no_host_shares_a_name_with_a_group() -> None:
    found = inventory.render(NODES, {}, {})
    assert found["_meta"]["hostvars"].keys().isdisjoint(found)


def test_a_node_is_reached_with_the_keys_of_the_lab_alone() -> None:
    found = inventory.render(NODES, {"lab_mirror_url": "http://10.0.0.2"}, {})
    variables = found["all"]["vars"]
    assert found["_meta"]["hostvars"]["debian13-1"] == {"ansible_host": "10.0.0.7"}
    assert variables["ansible_user"] == "ops"
    assert variables["lab_mirror_url"] == "http://10.0.0.2"
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]
    assert "Control" not in variables["ansible_ssh_common_args"]


def test_an_empty_lab_is_an_empty_inventory() -> None:
    found = inventory.render([], {}, {})
    assert found["_meta"] == {"hostvars": {}}
    assert found["debian12"] == {"hosts": []}


def test_sums() -> None:
    assert inventory.parse_sums("abc  one.sh\nDEF *two.sh\n\n") == {"one.sh": "abc", "two.sh": "DEF"}


def test_recorded_repositories_take_the_place_of_the_labs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(url: str) -> dict[str, dict[str, str]]:
        return {name: {"lab_nvidia_repository": f"{url}/repos"} for name in ("debian12", "ubuntu2404")}

    monkeypatch.setattr(inventory.nodes, "find", lambda _group: [Node("ubuntu2404-1", "a", "ubuntu2404", "10.0.0.2")])
    monkeypatch.setattr(inventory.mirror, "url", lambda: "http://lab")
    monkeypatch.setattr(inventory.recorded_repositories, "of_releases", found)
    listed = inventory.read("a")
    assert listed["debian12"]["vars"] == {"lab_nvidia_repository": "http://lab/recorded/repos"}
    assert listed["ubuntu2404"]["vars"] == {
        "lab_nvidia_repository": "http://lab/recorded/repos",
        "lab_ubuntu_archive": "http://lab/ubuntu/archive",
    }
    monkeypatch.setattr(inventory.recorded_repositories, "of_releases", lambda _url: {})
    assert "vars" not in inventory.read("a")["debian12"]
