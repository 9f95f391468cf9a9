# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Ansible that come with the repository."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("role", ["front_door", "jupyter"])
def test_the_files_of_the_authority_are_read_as_no_inventory(role: str) -> None:
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "ansible.cfg")
    defaults = yaml.safe_load((REPOSITORY / "roles" / role / "defaults" / "main.yml").read_text())
    beside_the_hosts = Path(defaults[f"{role}_ca_directory"])
    assert beside_the_hosts.parent == Path("{{ inventory_dir | default(playbook_dir) }}")
    assert re.search(settings.get("inventory", "ignore_patterns", fallback="never^"), beside_the_hosts.name)
