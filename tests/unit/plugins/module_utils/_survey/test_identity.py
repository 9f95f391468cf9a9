# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node says it is."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible.module_utils.facts.system.distribution import DistributionFactCollector
from ansible.module_utils.facts.system.platform import PlatformFactCollector
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.identity import identity
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import cached_facts

BOOKWORM = 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n'


@pytest.mark.parametrize(
    ("files", "name", "versions", "machine_id"),
    [
        pytest.param(
            {"etc/os-release": BOOKWORM, "etc/debian_version": "12.11\n", "etc/machine-id": "a1\n"},
            "Debian GNU/Linux",
            ["12", "12.11"],
            "a1",
            id="with a point release",
        ),
        pytest.param(
            {"etc/os-release": "NAME='Rocky Linux'\nVERSION_ID=9.6\n# a\nX='\n"}, "Rocky Linux", ["9.6"], "", id="plain"
        ),
        pytest.param({"usr/lib/os-release": BOOKWORM}, "Debian GNU/Linux", ["12"], "", id="at its other place"),
        pytest.param(
            {"etc/machine-id": "a1\n", "var/lib/dbus/machine-id": "b2\n"}, "", [], "b2", id="the id that Ansible takes"
        ),
        pytest.param({}, "", [], "", id="nothing"),
    ],
)
def test_what_a_node_says_it_is(
    tmp_path: Path, files: Mapping[str, str], name: str, versions: list[str], machine_id: str
) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert identity(str(tmp_path)) == {
        "machine_id": machine_id,
        "architecture": platform.machine(),
        "name": name,
        "versions": versions,
    }


def test_facts_that_ansible_gathers_here_are_of_this_machine() -> None:
    module = _Module()
    facts = {**PlatformFactCollector().collect(module), **DistributionFactCollector().collect(module)}
    assert cached_facts.are_of(identity(), facts)


class _Module:
    """What the collector asks of a module: programs, of which it finds none."""

    def get_bin_path(self, *_unused: object, **_options: object) -> None:
        return None
