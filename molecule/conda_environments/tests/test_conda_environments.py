# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has after the role conda_environments."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

CONDA = "/opt/miniconda3/bin/conda"
ROOT = "/opt/evenkeel"


@pytest.fixture(params=["analysis", "ai-dev.2"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_name_is_a_link_to_a_complete_generation(host: Host, name: str) -> None:
    link = host.file(f"{ROOT}/envs/{name}")
    assert link.is_symlink
    assert link.linked_to.startswith(f"{ROOT}/generations/{name}/")
    marker = json.loads(host.file(f"{ROOT}/envs/{name}/conda-meta/evenkeel").content_string)
    assert marker["digest"].startswith(link.linked_to.rsplit("/", 1)[-1])


def test_it_is_a_normal_conda_environment(host: Host, name: str) -> None:
    listed = json.loads(host.check_output("sudo -u nobody %s list --json --name %s", CONDA, name))
    recorded = json.loads(host.file(f"{ROOT}/envs/{name}/conda-meta/evenkeel").content_string)["packages"]
    assert {(package["name"], package["version"], package["build_string"]) for package in listed} == {
        (package["name"], package["version"], package["build"]) for package in recorded
    }


def test_conda_runs_it(host: Host, name: str) -> None:
    prefix = host.check_output(
        "sudo -u nobody %s run --name %s python -c 'import sys, idna; print(sys.prefix)'", CONDA, name
    )
    assert prefix.startswith(ROOT)


def test_a_login_shell_activates_it(host: Host, name: str) -> None:
    script = f"conda activate {name} && echo $CONDA_DEFAULT_ENV && python -c 'import idna' && which python"
    active, python = host.check_output("sudo -u nobody bash --login -c %s", script).splitlines()
    assert active == name
    assert python == f"{ROOT}/envs/{name}/bin/python"


def test_it_is_frozen(host: Host, name: str) -> None:
    answer = host.run("%s install --json --yes --name %s six", CONDA, name)
    assert answer.rc == 1
    assert json.loads(answer.stdout)["exception_name"] == "EnvironmentIsFrozenError"


def test_packages_are_hardlinked_from_the_one_cache(host: Host, name: str) -> None:
    assert int(host.check_output("stat --format %%h %s/envs/%s/lib/python3.11/os.py", ROOT, name)) > 1
