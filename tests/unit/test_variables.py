# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories name only variables that exist, in comments too, and roles default to what they document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
#: Read by the defaults of several roles.
SHARED = {
    *("evenkeel_ca_bundle", "evenkeel_mirror", "evenkeel_no_proxy", "evenkeel_offline"),
    *("evenkeel_nvidia_repository", "evenkeel_nvidia_container_repository", "evenkeel_nvidia_runfiles"),
    *("evenkeel_pip_index", "evenkeel_proxy", "evenkeel_root"),
}
FILES = sorted((ROOT / "inventories").glob("*/group_vars/**/*.yml"))


def known() -> set[str]:
    """Return every input of every role, and of the playbooks that lock and that bring nodes to their state."""
    specs = [yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    lock = re.findall(r"\b(lock_\w+) \| default", (ROOT / "playbooks" / "lock.yml").read_text())
    site = re.findall(r"\b(evenkeel_\w+) \| default", (ROOT / "playbooks" / "site.yml").read_text())
    return SHARED.union(lock, site, *(spec["argument_specs"]["inputs"]["options"] for spec in specs))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_exist(path: Path) -> None:
    named = set(re.findall(r"^(?:# )?([a-z][a-z0-9_]*):", path.read_text(), re.MULTILINE))
    assert named
    assert named <= known()


@pytest.mark.parametrize("spec", sorted(ROOT.glob("roles/*/meta/argument_specs.yml")), ids=lambda path: path.parts[-3])
def test_defaults_are_documented_and_documented_defaults_are_set(spec: Path) -> None:
    options = yaml.safe_load(spec.read_text())["argument_specs"]["inputs"]["options"]
    defaults = yaml.safe_load((spec.parents[1] / "defaults" / "main.yml").read_text())
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
