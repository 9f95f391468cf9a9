# SPDX-License-Identifier: GPL-3.0-or-later
"""What conda makes of the configuration after the role condarc."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

FILE = "/etc/conda/condarc.d/evenkeel.yml"


@pytest.fixture(scope="module")
def settings(host: Host) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(
        host.check_output("sudo -u nobody /opt/miniconda3/bin/conda config --show --json")
    )
    return shown


def test_everyone_can_read_the_file(host: Host) -> None:
    file = host.file(FILE)
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)


def test_conda_reads_the_file(host: Host) -> None:
    sources = json.loads(host.check_output("/opt/miniconda3/bin/conda config --show-sources --json"))
    assert FILE in sources


def test_defaults_stand_for_the_mirror(host: Host, settings: dict[str, Any]) -> None:
    mirror = host.ansible.get_variables()["lab_mirror_url"]
    assert settings["channels"] == ["defaults"]
    assert [
        f"{channel['scheme']}://{channel['location']}/{channel['name']}" for channel in settings["default_channels"]
    ] == [
        f"{mirror}/anaconda/pkgs/main",
        f"{mirror}/anaconda/pkgs/r",
    ]


def test_shared_environments_come_before_a_users_own(settings: dict[str, Any]) -> None:
    assert settings["envs_dirs"][0] == "/opt/evenkeel/envs"


def test_nobody_shares_the_caches_of_the_environments(settings: dict[str, Any]) -> None:
    assert not [path for path in settings["pkgs_dirs"] if path.startswith("/opt/evenkeel")]


def test_a_solve_finds_the_mirrors_packages(host: Host) -> None:
    answer = json.loads(host.check_output("/opt/miniconda3/bin/conda create --json --dry-run --name probe python=3.11"))
    assert "python" in {package["name"] for package in answer["actions"]["LINK"]}
    assert not host.file("/opt/evenkeel/envs/probe").exists
