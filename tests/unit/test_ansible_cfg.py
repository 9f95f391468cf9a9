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


def test_the_callbacks_are_the_collections_and_documented_with_these_lines() -> None:
    text = (REPOSITORY / "ansible.cfg").read_text()
    lines = [line for line in text.splitlines() if line.startswith(("callbacks_enabled", "stdout_callback"))]
    names = re.findall(r"evenkeel\.gpu\.(\w+)", "\n".join(lines))
    assert sorted(names) == sorted(path.stem for path in (REPOSITORY / "plugins" / "callback").glob("*.py"))
    documented = (REPOSITORY / "docs" / "runs.md").read_text()
    assert [line for line in lines if line not in documented] == []
