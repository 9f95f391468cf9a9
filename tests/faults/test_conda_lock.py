# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/lock.yml does with bad arguments: it says so, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import ansible, finish

ENVIRONMENT = "channels: [defaults]\ndependencies: [python=3.11]\n"
LOCK = json.dumps(
    {
        "version": 1,
        "metadata": {"content_hash": {}, "channels": [], "platforms": ["linux-64"], "sources": []},
        "package": [],
    }
)


@pytest.mark.parametrize(
    ("files", "variables", "words"),
    [
        ({}, {"env": "nowhere"}, ("nowhere/environment.yml", "Correct env or environments")),
        ({}, {"update": ["numpy"]}, ("here/conda-lock.yml is not there", "Lock without update first")),
        ({"conda-lock.yml": LOCK}, {"update": ["nonesuch"]}, ("nonesuch, which shall be updated", "conda-lock.yml")),
        ({"conda-lock.yml": "version: 1\n"}, {}, ("here/conda-lock.yml is malformed",)),
        ({"environment.yml": "channels: [\n"}, {}, ("here/environment.yml",)),
        ({}, {"lock_platforms": ["linux-65"]}, ("platforms", "linux-65", "linux-64, linux-aarch64")),
        ({}, {"lock_targets": ["slackware-15"]}, ("slackware-15",)),
        ({}, {"lock_virtual_packages": {"linux-64": "2.36"}}, ("virtual_packages holds", "linux-64")),
        ({}, {"lock_mirrors": {"https://repo.anaconda.com": "mirror"}}, ("mirrors holds 'mirror'",)),
    ],
    ids=["env", "no lock", "update", "lock", "environment", "platform", "target", "virtual packages", "mirror"],
)
def test_bad_arguments_are_told(
    tmp_path: Path, files: dict[str, str], variables: dict[str, Any], words: tuple[str, ...]
) -> None:
    directory = tmp_path / "here"
    directory.mkdir()
    content = {"environment.yml": ENVIRONMENT, **files}
    for name, text in content.items():
        (directory / name).write_text(text)
    given = json.dumps({"env": "here", "environments": str(tmp_path), **variables})
    answer = finish(ansible("playbook", "playbooks/lock.yml", f"--extra-vars={given}"))
    assert answer.failed_saying(*words)
    assert {path.name: path.read_text() for path in directory.iterdir()} == content
