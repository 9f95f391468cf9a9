# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of the execution environment agrees with the project's own requirements."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]


def test_ansible_core_and_runner_are_those_of_the_project() -> None:
    assert DEPENDENCIES["ansible_core"]["package_pip"] in PROJECT["dependencies"]
    assert DEPENDENCIES["ansible_runner"]["package_pip"] in PROJECT["optional-dependencies"]["engines"]
