# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own descriptions agree with each other and with its content."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import PACKAGES
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
RELEASES = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
DOCUMENTED = [*MODULES, *(path for kind in ("filter", "lookup") for path in (ROOT / "plugins" / kind).glob("*.py"))]
REQUIREMENTS = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]


def documentation(path: Path) -> dict[str, Any]:
    """Return what a plugin's file says of itself."""
    found = re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""', path.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{path} has no DOCUMENTATION"
    described: dict[str, Any] = yaml.safe_load(found[1])
    return described


def test_the_requirements_are_those_of_the_project_beside_ansible_core() -> None:
    assert sorted(REQUIREMENTS) == sorted(
        one for one in PROJECT["dependencies"] if Requirement(one).name != "ansible-core"
    )


def test_what_plugins_report_as_missing_is_what_is_required() -> None:
    assert {*PACKAGES.values(), "pyyaml"} == {Requirement(line).name for line in REQUIREMENTS}


def test_ansible_core_is_the_same_everywhere() -> None:
    (core,) = [Requirement(one) for one in PROJECT["dependencies"] if Requirement(one).name == "ansible-core"]
    assert Version(RUNTIME["requires_ansible"].removeprefix(">=")).release[:2] == (2, 19)
    assert "2.19.0" in core.specifier
    assert "2.18.99" not in core.specifier


def test_there_is_one_version() -> None:
    assert GALAXY["version"] == PROJECT["version"]


def test_the_tree_is_the_last_release_or_becomes_a_newer_one() -> None:
    newest, own = max(map(Version, RELEASES)), Version(GALAXY["version"])
    fragments = list((ROOT / "changelogs" / "fragments").glob("*.y*ml"))
    assert "0.1.0" in RELEASES
    assert newest < own or (newest == own and not fragments)


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_plugin_came_with_a_release_or_comes_with_the_next(path: Path) -> None:
    assert documentation(path)["version_added"] in (*RELEASES, GALAXY["version"])


def test_defaults_can_be_set_for_all_modules() -> None:
    assert RUNTIME["action_groups"]["all"] == [path.stem for path in MODULES]


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_an_action_hands_to_its_module_is_not_documented(path: Path) -> None:
    text = path.read_text()
    assert "action fills" not in text
    assert "a task never sees it" not in text
