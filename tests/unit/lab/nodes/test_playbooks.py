# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible's programs are called with, and what is read from what they print."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from lab.nodes import playbooks
from lab.nodes.playbooks import Run


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        found.update(argv=argv, **options)
        return subprocess.CompletedProcess(argv, 2, stdout="said")

    monkeypatch.setattr(subprocess, "run", run)
    return found


def test_a_run_is_an_operators(monkeypatch: pytest.MonkeyPatch, called: dict[str, Any]) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "molecule's")
    assert playbooks.play("site.yml", "some", "--tags=x", a=1) == Run(2, "said")
    assert called["argv"][3:5] == ["playbook", f"--inventory={playbooks.INVENTORY}"]
    assert called["argv"][5:] == ["site.yml", "--tags=x", "--diff", "--extra-vars", json.dumps({"a": 1})]
    assert called["env"]["ANSIBLE_STDOUT_CALLBACK"] == "default"
    assert called["env"]["EVENKEEL_LAB_GROUP"] == "some"


@pytest.mark.parametrize(("recap", "changed"), [("ok=1 changed=0 failed=0", False), ("ok=1 changed=10 failed=0", True)])
def test_whether_it_changed_anything(recap: str, changed: bool) -> None:
    assert Run(0, recap).changed is changed


def test_what_it_says_of_one() -> None:
    assert Run(0, "ok: ana\nok: bo\nana: no").about("ana") == "ok: ana\nana: no"


def test_a_failure_is_shown() -> None:
    assert Run(0, "").well() == Run(0, "")
    with pytest.raises(AssertionError, match="why it failed"):
        Run(2, "why it failed").well()
