# SPDX-License-Identifier: GPL-3.0-or-later
"""lock.yml of an installed collection finds the environments of a fleet's own repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: What no environment can be read from, so that a run ends with the names of the files that it found.
BROKEN = "dependencies: [\n"
OTHER = "conda_environments_directory"


def lock(working: Path, inventory: str, *options: str) -> str:
    """Run lock.yml in a directory; return its output."""
    command = [sys.executable, "-m", "ansible", "playbook", "-i", inventory, "evenkeel.gpu.lock", *options]
    known = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_CACHE_PLUGIN": "memory"}
    done = subprocess.run(
        command, capture_output=True, cwd=working, text=True, env={**os.environ, **known, "ANSIBLE_NOCOLOR": "1"}
    )
    assert done.returncode != 0, done.stdout
    return " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A repository with a nested inventory and environments, and another folder of environments beside it."""
    for path in (
        "fleet/environments/ai/environment.yaml",
        "fleet/environments/ai/gpu.yml",
        "other/nlp/environment.yml",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(BROKEN)
    inventory = tmp_path / "fleet" / "inventories" / "eu" / "prod"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text("all: {hosts: {node1: }}\n")
    (tmp_path / "work").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("working", "variable", "options", "found"),
    [
        ("fleet", "", (), ["fleet/environments/ai/environment.yaml", "fleet/environments/ai/gpu.yml"]),
        ("work", "", ("-e", "lock_env=ai/gpu.yml"), ["fleet/environments/ai/gpu.yml"]),
        ("work", "/srv/own", ("-e", f"{OTHER}=../other"), ["other/nlp/environment.yml"]),
        ("work", "{{ inventory_dir }}/../../../../other", (), ["other/nlp/environment.yml"]),
        ("work", "../other", (), ["other/nlp/environment.yml"]),
        ("other", "", ("-e", "lock_env=nlp/environment.yml"), ["other/nlp/environment.yml"]),
    ],
    ids=[
        "above the inventory",
        "one of them",
        "the command line's",
        "beside the inventory",
        "the group all's",
        "by a path",
    ],
)
def test_it_locks_what_is_there(
    fleet: Path, working: str, variable: str, options: tuple[str, ...], found: list[str]
) -> None:
    if variable:
        path = fleet / "fleet" / "inventories" / "eu" / "prod" / "group_vars" / "all.yml"
        path.write_text(f'{OTHER}: "{variable}"\n')
    said = lock(fleet / working, str(fleet / "fleet" / "inventories" / "eu" / "prod"), *options)
    there = [str(path.relative_to(fleet)) for path in fleet.rglob("*.y*ml") if "inventories" not in path.parts]
    named = [path for path in sorted(there) if f"{path}, line " in said or f"{path.partition('/')[2]}, line " in said]
    assert named == found, said


@pytest.mark.parametrize(
    ("inventory", "options", "words"),
    [
        ("node1,", (), ("There is no folder environments in {}/work. Set conda_environments_directory",)),
        (
            "{}/fleet/inventories/eu/prod",
            ("-e", "lock_env=vision"),
            ("no environment file {}/fleet/environments/vision", "there (ai/environment.yaml, ai/gpu.yml)"),
        ),
        ("{}/fleet/inventories/eu/prod", ("-e", "environments=x"), ("conda_environments_directory",)),
        (
            "{}/fleet/inventories/eu/prod",
            ("-e", json.dumps({OTHER: "{{ no_such_variable }}"})),
            ("'no_such_variable' is undefined",),
        ),
    ],
    ids=["nowhere", "another name", "an old name", "a value that can't be read"],
)
def test_it_says_what_it_looked_for(
    fleet: Path, inventory: str, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = lock(fleet / "work", inventory.format(fleet), *options)
    assert [word for word in words if word.format(fleet) not in said] == [], said
