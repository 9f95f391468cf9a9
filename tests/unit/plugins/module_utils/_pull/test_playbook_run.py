# SPDX-License-Identifier: GPL-3.0-or-later
"""How the playbook is run on the node itself, and what its end means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import playbook_run
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.playbook_run import Ended
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings

SETTINGS = Settings(host="gpu1", remote="/srv/site.git", inventory="inventories/mine")
RECAP = (
    "gpu1                       : ok=9    changed=2    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0"
)
FATAL = 'fatal: [gpu1]: FAILED! => {"changed": false, "msg": "conda_environments: ai-dev: it has no lock"}'


def test_the_node_alone_is_the_limit(places: Places) -> None:
    argv = playbook_run.command("/v/bin/python", "/c", SETTINGS, places, "/h/v.json")
    assert argv == [
        *("/v/bin/python", "-m", "ansible", "playbook", "--inventory", "inventories/mine", "--limit", "gpu1", "--diff"),
        *("--extra-vars", "@/h/v.json", "/c/site.yml"),
    ]


def test_secrets_come_from_files_and_before_our_own_variables(places: Places) -> None:
    for name in ("variables.yml", "vault_password"):
        Path(places.path(name)).touch()
    argv = playbook_run.command("/v/bin/python", "/c", SETTINGS, places, "/h/v.json")
    assert argv[-7:-1] == [
        *("--extra-vars", f"@{places.etc}/variables.yml"),
        *("--vault-password-file", f"{places.etc}/vault_password"),
        *("--extra-vars", "@/h/v.json"),
    ]


def test_nothing_of_the_callers_environment_matters_but_the_proxy(places: Places) -> None:
    found = playbook_run.environment("/v/bin/python", places, {"https_proxy": "p", "ANSIBLE_CONFIG": "x", "PATH": "/x"})
    assert found["https_proxy"] == "p"
    assert "ANSIBLE_CONFIG" not in found
    assert found["PATH"].startswith("/v/bin:/usr/local/sbin:")


@pytest.mark.parametrize(
    ("status", "lines", "problem"),
    [
        (0, [RECAP], ""),
        (2, [FATAL, RECAP], "conda_environments: ai-dev: it has no lock"),
        (2, [FATAL, FATAL, RECAP], "conda_environments: ai-dev: it has no lock"),
        (
            4,
            ["[ERROR]: YAML parsing failed: a", "Origin: /c/node.yml:2:1", "b"],
            "YAML parsing failed: a\n/c/node.yml:2:1",
        ),
        (4, ["ERROR! the playbook: site.yml could not be found"], "the playbook: site.yml could not be found"),
        (2, ["[ERROR]: Task failed", FATAL], "conda_environments: ai-dev: it has no lock"),
        (1, [], "The playbook ended with status 1"),
        (2, ["fatal: [gpu1]: FAILED! => {half}"], "{half}"),
        (
            0,
            [RECAP.replace("gpu1", "gpu2")],
            "The playbook did nothing on gpu1: see whether the inventory has it in gpu_nodes",
        ),
        (0, [], "The playbook did nothing on gpu1: see whether the inventory has it in gpu_nodes"),
    ],
)
def test_an_end_has_a_reason(status: int, lines: list[str], problem: str) -> None:
    assert playbook_run.outcome(status, lines, "gpu1").problem == problem


def test_the_recap_is_counted() -> None:
    assert playbook_run.recap(["", "PLAY RECAP ***", RECAP], "gpu1") == {
        "ok": 9,
        "changed": 2,
        "unreachable": 0,
        "failed": 0,
        "skipped": 1,
        "rescued": 0,
        "ignored": 0,
    }


def test_a_reason_has_a_length() -> None:
    lines = [f'fatal: [gpu1]: FAILED! => {{"msg": "{number}{"x" * 1000}"}}' for number in range(9)]
    assert len(playbook_run.reason(lines)) == 4000


def stub(folder: Path, script: str) -> str:
    """Return what stands in for Python of the control node environment."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_output_is_passed_on_and_variables_are_ours(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    python = stub(tmp_path, f"pwd; echo '{RECAP}'")
    ended = playbook_run.run(python, str(tmp_path), SETTINGS, places)
    assert (ended.problem, ended.counts["changed"]) == ("", 2)
    assert capsys.readouterr().out.splitlines() == [str(tmp_path), RECAP]
    given = json.loads((Path(places.home) / "variables.json").read_text())
    assert given["ansible_connection"] == "local"
    assert given["conda_environments_require_lock"] is True
    assert given["drift_directory"] == places.drift
    assert given["conda_environments_wheels"] == f"{tmp_path.parent}/wheels"
    assert (given["nvidia_driver_reboot"], given["drift_fail"]) == (False, False)


def test_a_run_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path, places: Places) -> None:
    python = stub(tmp_path, "sleep 1000 & echo started; wait")
    settings = Settings(host="gpu1", remote="/srv/site.git", inventory="inventories/mine", timeout=1)
    ended = playbook_run.run(python, str(tmp_path), settings, places)
    assert ended == Ended("The playbook did not end within 1 seconds, and was ended")


def test_what_is_still_running_keeps_the_lock(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(places.lock, 0) as lock:
        python = stub(tmp_path, f"readlink /proc/self/fd/{lock}")
        playbook_run.run(python, str(tmp_path), SETTINGS, places, keeps=[lock])
    assert capsys.readouterr().out == f"{places.lock}\n"


def test_an_environment_that_is_gone_is_named(tmp_path: Path, places: Places) -> None:
    with pytest.raises(EvenkeelError, match="/nowhere/python can't be started"):
        playbook_run.run("/nowhere/python", str(tmp_path), SETTINGS, places)


def test_secrets_that_others_can_read_stop_the_run(tmp_path: Path, places: Places) -> None:
    path = Path(places.path("variables.yml"))
    path.touch()
    path.chmod(0o644)
    with pytest.raises(EvenkeelError, match="others than root"):
        playbook_run.run(stub(tmp_path, "exit 0"), str(tmp_path), SETTINGS, places)
