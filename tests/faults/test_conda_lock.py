# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/lock.yml does with bad arguments: it reports them, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.conftest import ansible, finish

ENVIRONMENT = "channels: [defaults]\ndependencies: [python=3.11]\n"
LOCK = json.dumps(
    {
        "version": 1,
        "metadata": {"content_hash": {}, "channels": [], "platforms": ["linux-64"], "sources": []},
        "package": [],
    }
)


CHANNEL = "https://channel.example/main"


def publish(mirror: Path, sha256: str, *packages: tuple[str, str, list[str]]) -> None:
    """Write the index of a mirror that has these packages, by name, build and what they depend on; by default one.

    A name may carry a version other than 1.0, such as ``tool=1.1``.
    """
    found = {}
    for spec, build, depends in packages or [("tool", "0", [])]:
        name, _equals, version = spec.partition("=")
        found[f"{name}-{version or '1.0'}-{build}.conda"] = {
            "name": name,
            "version": version or "1.0",
            "build": build,
            "build_number": int("cuda" in build),
            "depends": depends,
            "subdir": "noarch",
            "sha256": sha256,
        }
    for subdir, content in (("noarch", found), ("linux-64", {}), ("linux-aarch64", {})):
        (mirror / subdir).mkdir(parents=True, exist_ok=True)
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": content}
        (mirror / subdir / "repodata.json").write_text(json.dumps(index))


def test_a_mirror_that_tells_another_hash_of_a_locked_package_is_refused(tmp_path: Path) -> None:
    directory, mirror = tmp_path / "here", tmp_path / "mirror"
    directory.mkdir()
    (directory / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: [tool]\n")
    given = {
        "lock_env": "here",
        "conda_environments_directory": str(tmp_path),
        "lock_mirrors": {CHANNEL: mirror.as_uri()},
    }

    def lock(**more: Any) -> Any:
        return finish(ansible("playbook", "playbooks/lock.yml", f"--extra-vars={json.dumps({**given, **more})}"))

    publish(mirror, "19" * 32)
    assert lock().succeeded()
    before = (directory / "conda-lock.yml").read_text()
    publish(mirror, "00" * 32)
    refused = lock(lock_update="")
    assert refused.failed_saying("tool 1.0 0", "19" * 32, "00" * 32, "accept_changed_hashes: true")
    assert (directory / "conda-lock.yml").read_text() == before
    assert lock(lock_update="", lock_accept_changed_hashes=True).succeeded()
    assert "00" * 32 in (directory / "conda-lock.yml").read_text()


def test_platforms_are_a_list_of_the_inventory(tmp_path: Path) -> None:
    directory, mirror, inventory = tmp_path / "here", tmp_path / "mirror", tmp_path / "inventory"
    directory.mkdir()
    (directory / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: [tool]\n")
    publish(mirror, "19" * 32)
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    settings = {
        "conda_environments_directory": str(tmp_path),
        "lock_mirrors": {CHANNEL: mirror.as_uri()},
        "lock_platforms": ["linux-64", "linux-aarch64"],
        "lock_targets": ["debian-12"],
        "lock_virtual_packages": {"linux-aarch64": {"__glibc": "2.39"}},
    }
    (inventory / "group_vars" / "all.yml").write_text(yaml.safe_dump(settings))
    answer = finish(ansible("playbook", f"--inventory={inventory}", "playbooks/lock.yml", "--extra-vars=lock_env=here"))
    assert answer.succeeded()
    locked = yaml.safe_load((directory / "conda-lock.yml").read_text())
    assert locked["metadata"]["platforms"] == settings["lock_platforms"]


FRAMEWORKS = [
    ("pytorch", "cpu_0", []),
    ("pytorch", "cuda118_0", ["__cuda >=11.8"]),
    ("pytorch", "cuda130_0", ["__cuda >=13"]),
    ("tensorflow", "cpu_0", []),
]


def test_a_lock_is_for_the_cuda_of_its_nodes_drivers(tmp_path: Path) -> None:
    """All nodes have a driver; one with an older branch has none but the first environment."""
    environments, mirror, inventory = tmp_path / "environments", tmp_path / "mirror", tmp_path / "inventory"
    for name, asked in (("old", "pytorch=*=cuda118*"), ("new", "pytorch=*=cuda130*"), ("any", "tensorflow")):
        (environments / name).mkdir(parents=True)
        (environments / name / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: ['{asked}']\n")
    publish(mirror, "19" * 32, *FRAMEWORKS)
    (inventory / "group_vars").mkdir(parents=True)
    hosts: dict[str, Any] = {
        "n1": {"nvidia_driver_branch": "570", "conda_environments_list": [{"name": "old"}]},
        "n2": {"nvidia_driver_without_gpu": True, "conda_environments_list": [{"name": "old"}, {"name": "new"}]},
        "n3": {"nvidia_driver_version": "595.45.04", "conda_environments_list": [{"name": "new"}]},
    }
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"gpu_nodes": {"hosts": hosts}}))
    settings = {"conda_environments_directory": str(environments), "lock_mirrors": {CHANNEL: mirror.as_uri()}}
    (inventory / "group_vars" / "all.yml").write_text(yaml.safe_dump(settings))

    def lock(**more: Any) -> Any:
        given = f"--extra-vars={json.dumps(more)}"
        return finish(ansible("playbook", f"--inventory={inventory}", "playbooks/lock.yml", "--diff", given))

    answer = lock()
    assert answer.succeeded()
    locks = {path.parent.name: yaml.safe_load(path.read_text()) for path in environments.glob("*/conda-lock.yml")}
    ours = {name: lock["metadata"]["custom_metadata"] for name, lock in locks.items()}
    of_nodes = {name: json.loads(one["evenkeel-virtual-packages"])["linux-64"]["__cuda"] for name, one in ours.items()}
    assert of_nodes == {"old": "12.8", "new": "13.0", "any": "12.8"}
    assert json.loads(ours["new"]["evenkeel-gpu-builds"]) == {"linux-64": ["pytorch 1.0 cuda130_0"]}
    assert "evenkeel-gpu-builds" not in ours["any"]
    for words in (
        "(item=new/environment.yml for CUDA 13.0 (driver branch 580 of n2))",
        "(item=old/environment.yml for CUDA 12.8 (driver branch 570 of n1))",
        "+ assumed of nodes: CUDA 13.0",
        "+ builds for GPUs: pytorch",
    ):
        assert words in answer.output
    warning = " ".join(answer.output.split())
    assert (
        "any on linux-64: tensorflow 1.0 is a build for CPUs (cpu_0). For GPUs ask for tensorflow=*=*cuda*" in warning
    )
    refused = lock(lock_cuda="", lock_env="new")
    assert refused.failed_saying("__cuda >=13", "no CUDA version of the nodes is known", "set lock_cuda")


def test_a_platform_of_a_lock_is_not_dropped_unless_told(tmp_path: Path) -> None:
    directory, mirror = tmp_path / "here", tmp_path / "mirror"
    directory.mkdir()
    (directory / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: [tool]\n")
    publish(mirror, "19" * 32)
    given = {"conda_environments_directory": str(tmp_path), "lock_mirrors": {CHANNEL: mirror.as_uri()}}

    def lock(**more: Any) -> Any:
        return finish(
            ansible("playbook", "playbooks/lock.yml", "--diff", f"--extra-vars={json.dumps({**given, **more})}")
        )

    both = ["linux-64", "linux-aarch64"]
    assert lock(lock_platforms=both).succeeded()
    assert "changed=0 " in lock().output
    refused = lock(lock_platforms=["linux-64"])
    assert refused.failed_saying("is for linux-aarch64 too", "lock_platforms: [linux-64, linux-aarch64]")
    assert (directory / "conda-linux-aarch64.lock").exists()
    dropped = lock(lock_platforms=["linux-64"], lock_drop_platforms=True)
    assert dropped.succeeded()
    assert "\n- linux-aarch64\n" in dropped.output
    assert not (directory / "conda-linux-aarch64.lock").exists()


@pytest.mark.parametrize(
    ("files", "variables", "words"),
    [
        (
            {},
            {"lock_env": "nowhere"},
            (
                "no environment file",
                "/nowhere",
                "Set lock_env to a folder or a file that is there (here/environment.yml)",
            ),
        ),
        ({}, {"lock_update": ["numpy"]}, ("here/conda-lock.yml is not there", "Lock without lock_update first")),
        (
            {"conda-lock.yml": LOCK},
            {"lock_update": ["nonesuch"]},
            ("update names nonesuch", "conda-lock.yml"),
        ),
        ({"conda-lock.yml": "version: 1\n"}, {}, ("here/conda-lock.yml is malformed",)),
        ({"environment.yml": "channels: [\n"}, {}, ("here/environment.yml",)),
        ({}, {"lock_platforms": ["linux-65"]}, ("platforms", "linux-65", "linux-64, linux-aarch64")),
        ({}, {"lock_targets": ["slackware-15"]}, ("slackware-15",)),
        ({}, {"lock_virtual_packages": {"linux-64": "2.36"}}, ("virtual_packages holds", "linux-64")),
        ({}, {"lock_mirrors": {"https://repo.anaconda.com": "mirror"}}, ("lock_mirrors holds 'mirror'",)),
    ],
    ids=["env", "no lock", "update", "lock", "environment", "platform", "target", "virtual packages", "mirror"],
)
def test_bad_arguments_are_told(
    tmp_path: Path, files: dict[str, str], variables: dict[str, Any], words: tuple[str, ...]
) -> None:
    directory = tmp_path / "here"
    directory.mkdir()
    content = {"environment.yml": ENVIRONMENT, **files}
    for name, text in content.items():
        (directory / name).write_text(text)
    given = json.dumps({"lock_env": "here", "conda_environments_directory": str(tmp_path), **variables})
    answer = finish(ansible("playbook", "playbooks/lock.yml", f"--extra-vars={given}"))
    assert answer.failed_saying(*words)
    assert {path.name: path.read_text() for path in directory.iterdir()} == content
