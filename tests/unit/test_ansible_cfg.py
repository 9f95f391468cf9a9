# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Ansible that come with the repository."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_directory, moved_authority

REPOSITORY = Path(__file__).parents[2]


def _is_ignored(name: str) -> bool:
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "ansible.cfg")
    patterns = settings.get("inventory", "ignore_patterns", fallback="")
    return any(re.search(pattern.strip(), name) for pattern in filter(None, patterns.split(",")))


@pytest.mark.parametrize("name", [moved_authority.EARLIER, client_directory.NAME])
def test_what_is_yet_to_be_moved_out_of_an_inventory_is_read_as_none(name: str) -> None:
    assert _is_ignored(name)
    assert not _is_ignored("hosts.yml")
