# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Ansible that come with the repository."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]


def _is_ignored(name: str) -> bool:
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "ansible.cfg")
    patterns = settings.get("inventory", "ignore_patterns", fallback="")
    return any(re.search(pattern.strip(), name) for pattern in filter(None, patterns.split(",")))


@pytest.mark.parametrize("role", ["front_door", "jupyter"])
def test_the_files_of_the_authority_are_read_as_no_inventory(role: str) -> None:
    defaults = yaml.safe_load((REPOSITORY / "roles" / role / "defaults" / "main.yml").read_text())
    beside_the_hosts = Path(defaults[f"{role}_ca_directory"])
    assert beside_the_hosts.parent == Path("{{ inventory_dir | default(playbook_dir) }}")
    assert _is_ignored(beside_the_hosts.name)


def test_what_people_are_handed_is_read_as_no_inventory() -> None:
    variables = (REPOSITORY / "playbooks" / "vars" / "client_config.yml").read_text()
    found = re.search(r"inventory_dir ~ '/(\w+)'", variables)
    assert found
    assert _is_ignored(found[1])
    assert not _is_ignored("hosts.yml")
