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


def publish(mirror: Path, sha256: str) -> None:
    """Write the index of a mirror that has one package."""
    package = {"name": "tool", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch"}
    tool = {"tool-1.0-0.conda": {**package, "sha256": sha256}}
    for subdir, packages in (("noarch", tool), ("linux-64", {}), ("linux-aarch64", {})):
        (mirror / subdir).mkdir(parents=True, exist_ok=True)
        content = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}
        (mirror / subdir / "repodata.json").write_text(json.dumps(content))


def test_a_mirror_that_tells_another_hash_of_a_locked_package_is_refused(tmp_path: Path) -> None:
    directory, mirror = tmp_path / "here", tmp_path / "mirror"
    directory.mkdir()
    (directory / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: [tool]\n")
    given = {"lock_env": "here", "conda_environments_directory": str(tmp_path), "lock_mirrors": {CHANNEL: mirror.as_uri()}}

    def lock(**more: Any) -> Any:
        return finish(ansible("playbook", "playbooks/lock.yml", f"--extra-vars={json.dumps({**given, **more})}"))

    publish(mirror, "19" * 32)
    assert lock().succeeded()
    before = (directory / "conda-lock.yml").read_text()
    publish(mirror, "00" * 32)
    refused = lock(lock_update="")
    assert refused.failed_saying("tool 1.0 0", "19" * 32, "00" * 32, "accept_changed_hashes=true")
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


@pytest.mark.parametrize(
    ("files", "variables", "words"),
    [
        ({}, {"lock_env": "nowhere"}, ("no environment file", "/nowhere", "Set lock_env to a folder or a file that is there (here/environment.yml)")),
        ({}, {"lock_update": ["numpy"]}, ("here/conda-lock.yml is not there", "Lock without update first")),
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
        ({}, {"lock_mirrors": {"https://repo.anaconda.com": "mirror"}}, ("mirrors holds 'mirror'",)),
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
