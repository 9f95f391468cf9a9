# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a role are validated once, however it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
MIRROR = "evenkeel.gpu.mirror"
#: A survey also validates the inputs of the roles that it is given.
VALIDATING = {"evenkeel.gpu.validate_inputs", "evenkeel.gpu.survey"}
#: Of a node that the control node does not have to ask for them.
FACTS = {
    "architecture": "x86_64",
    "distribution": "Debian",
    "distribution_major_version": "12",
    "distribution_version": "12.1",
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_validates_its_inputs_first_and_ansible_does_not(role: str) -> None:
    first = yaml.safe_load((ROOT / "roles" / role / "tasks" / "validate.yml").read_text())[0]
    assert first.keys() & VALIDATING
    entry_points = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    tasks = {path.stem for path in (ROOT / "roles" / role / "tasks").iterdir()}
    assert not tasks & entry_points.keys()


def run(tmp_path: Path, call: dict[str, Any], **variables: object) -> str:
    """Run a play with a role on this machine; return what it printed."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, **call}]))
    command = [
        "env",
        "ANSIBLE_STDOUT_CALLBACK=default",
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "-i",
        "localhost,",
    ]
    done = subprocess.run(
        [*command, str(playbook), "--extra-vars", json.dumps(variables)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.stdout


def failure(printed: str) -> dict[str, Any]:
    """Return the result of the task that failed."""
    result: dict[str, Any] = yaml.safe_load(printed.partition("FAILED! =>")[2].partition("PLAY RECAP")[0])
    return result


@pytest.mark.parametrize(
    "call",
    [
        {"roles": [MIRROR]},
        {"tasks": [{"ansible.builtin.import_role": {"name": MIRROR}}]},
        {"tasks": [{"ansible.builtin.include_role": {"name": MIRROR}}]},
        {"tasks": [{"ansible.builtin.import_role": {"name": MIRROR, "tasks_from": "validate"}}]},
    ],
    ids=["roles", "import_role", "include_role", "validate alone"],
)
def test_inputs_are_validated_once_and_a_wrong_one_is_one_line(call: dict[str, Any], tmp_path: Path) -> None:
    assert run(tmp_path, call).upper().count("VALIDAT") == 1
    result = failure(run(tmp_path, call, mirror_timeout="abc"))
    assert result == {"changed": False, "msg": "mirror_timeout is 'abc'. Set it to a whole number."}


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        (5, "There is no mirror 5. Known: anaconda,"),
        ("tsinghua", "There is no mirror 'tsinghua'. Known: anaconda,"),
        (["tuna", "tsinghua"], "There is no mirror 'tsinghua'. Known: anaconda,"),
        ({"ulr": "https://a"}, "A mirror has the unknown keys ulr. Known: name, url,"),
        ([], "evenkeel_mirror is empty. Name a mirror,"),
    ],
)
def test_a_mirror_that_does_not_exist_is_refused_where_one_is_chosen(
    mirror: object, message: str, tmp_path: Path
) -> None:
    assert failure(run(tmp_path, {"roles": [MIRROR]}, evenkeel_mirror=mirror))["msg"].startswith(message)


def test_a_root_that_is_no_absolute_path_is_refused_before_anything_changes(tmp_path: Path) -> None:
    role = {"name": "evenkeel.gpu.miniconda", "tasks_from": "validate"}
    call = {"vars": {"ansible_facts": FACTS}, "tasks": [{"ansible.builtin.import_role": role}]}
    message = "miniconda: miniconda_store is opt/distributions, which is not an absolute path."
    assert failure(run(tmp_path, call, evenkeel_root="opt"))["msg"].startswith(message)


def test_what_locks_lack_of_jupyter_is_known_before_anything_is_built(tmp_path: Path) -> None:
    url, checksum = "https://repo.anaconda.com/pkgs/main/noarch", "ab" * 32
    for name, packages in {"bare": ["python"], "server": ["jupyterlab"], "whole": ["jupyterlab", "ipykernel"]}.items():
        lines = [f"{url}/{package}-1.0-py_0.conda#{checksum}" for package in packages]
        (tmp_path / f"{name}.txt").write_text("\n".join(["@EXPLICIT", *lines]))
    cases: dict[str, tuple[dict[str, Any], list[list[str]]]] = {
        "bare": ({}, [["ai"], ["ai"]]),
        "server": ({"jupyter_kernels": [{"name": "AI", "environment": "ai"}]}, [[], ["ai"]]),
        "whole": ({}, [[], []]),
        "no kernel of it": ({"jupyter_kernels": [{"name": "other", "environment": "/srv/other"}]}, [["ai"], []]),
    }
    variables = {"name": "evenkeel.gpu.jupyter", "tasks_from": "variables", "rolespec_validate": False}
    tasks: list[dict[str, Any]] = [{"ansible.builtin.import_role": variables}]
    for name, (given, found) in cases.items():
        file = f"{name if (tmp_path / f'{name}.txt').exists() else 'bare'}.txt"
        check = {"that": ["[__jupyter_without_jupyterlab, __jupyter_without_ipykernel] == found"]}
        own = {"conda_environments_list": [{"name": "ai", "explicit": file}], "found": found, **given}
        tasks.append({"name": name, "ansible.builtin.assert": check, "vars": own})
    printed = run(tmp_path, {"tasks": tasks}, conda_environments_directory=str(tmp_path), jupyter_environment="ai")
    assert f"ok={len(cases)} " in printed, printed


def test_a_lock_without_jupyter_is_refused_by_its_names(tmp_path: Path) -> None:
    (tmp_path / "ai.txt").write_text(f"@EXPLICIT\nhttps://repo/noarch/six-1.0-py_0.conda#{'ab' * 32}\n")
    role = {"name": "evenkeel.gpu.jupyter", "tasks_from": "validate"}
    given = {
        "conda_environments_list": [{"name": "ai", "explicit": str(tmp_path / "ai.txt")}],
        "jupyter_environment": "ai",
    }
    call = {"vars": {"ansible_facts": FACTS}, "tasks": [{"ansible.builtin.import_role": role}]}
    message = failure(run(tmp_path, call, **given))["msg"]
    assert message.startswith("jupyter: jupyter_environment is ai, whose lock has no jupyterlab. Add jupyterlab to ")
    assert "jupyter_kernels names ai, whose lock has no ipykernel. Add ipykernel to " in message
