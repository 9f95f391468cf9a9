# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml's survey finds out before any role begins: all mistakes at once, and a node that stays as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Node, fresh_node

#: Environments: one that is right, one with a package that is mistyped, and that of the notebook server.
KERNEL = {"name": "m", "packages": ["python=3.11", "ipykernel"]}
MISTYPED = {"name": "n", "packages": ["python=3.11", "numpyy"]}
JUPYTER = {"name": "jupyter"}
DEVICES = "/sys/bus/pci/devices"
SHOWN = "/run/evenkeel-devices"


@pytest.fixture(scope="module")
def bare(worker_id: str) -> Iterator[Node]:
    """A node on which no role of any test has ever run."""
    with fresh_node(f"survey-{worker_id}") as node:
        yield node


@pytest.fixture(scope="module")
def with_gpu(bare: Node) -> Iterator[Node]:
    """The same with a GPU on its PCI bus, and with the packages that its driver needs within reach."""
    gpu = f"{SHOWN}/0000:01:00.0"
    bare.host.check_output(f"mkdir -p {gpu} && echo 0x10de >{gpu}/vendor && echo 0x1eb8 >{gpu}/device")
    bare.host.check_output(f"echo 0x030200 >{gpu}/class && mount --bind {SHOWN} {DEVICES}")
    source = f"deb {bare.variables['lab_mirror_url']}/debian bookworm main"
    bare.host.check_output(f"echo '{source}' >/etc/apt/sources.list && apt-get update --quiet=2")
    yield bare
    bare.host.check_output(f"umount {DEVICES}")


def stops_before_any_change(node: Node, expected: dict[str, tuple[str, ...]], *options: str, **variables: Any) -> None:
    """Require that a run says one problem for each of these roles, in one message, and nothing of another role."""
    before = node.fingerprint()
    answer = node.play("site.yml", *options, **variables)
    assert answer.status != 0, answer.output
    said = answer.problems()
    assert {line.partition(":")[0] for line in said} == set(expected), said
    for role, words in expected.items():
        of_role = "\n".join(line for line in said if line.startswith(f"{role}: "))
        assert not [word for word in words if word not in of_role], of_role
    assert node.fingerprint() == before


def late(node: Node, kind: str) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Return a mistake that a role would come across when others have changed the node, and what is said about it."""
    wrong_path = f"{node.mirror.removesuffix('anaconda')}anacnda"
    terms = node.faulty_mirror("terms")
    return {
        "a wrong path on the mirror": (
            {"evenkeel_mirror": wrong_path},
            {
                "miniconda": (f"{wrong_path}/miniconda/Miniconda3-", "answered 404"),
                "conda_environments": (f"{wrong_path}/pkgs/main", "404"),
            },
        ),
        "a package that does not exist": (
            {"conda_environments_list": [JUPYTER, MISTYPED]},
            {"conda_environments": ("numpyy",)},
        ),
        "terms of service": (
            {"evenkeel_mirror": terms},
            {"miniconda": (f"{terms}/pkgs/main/terms.json", "miniconda_accept_tos")},
        ),
        "no environments": (
            {"conda_environments_list": []},
            {"jupyter": ("conda_environments_list",)},
        ),
        "a version that does not exist": (
            {"nvidia_container_toolkit_version": "1.19.9"},
            {"nvidia_container_toolkit": ("no version 1.19.9", "1.20.1")},
        ),
        "a toolkit that does not exist": (
            {"cuda_toolkit_versions": ["12.99"]},
            {"cuda_toolkit": ("cuda-toolkit-12-99",)},
        ),
        "an environment for VS Code that is not declared": (
            {"remote_access_environment": "ai-deb"},
            {"remote_access": ("ai-deb",)},
        ),
        "a key of conda's configuration": (
            {"condarc_settings": {"chanels": ["a"]}},
            {"condarc": ("condarc_settings holds chanels", "Did you mean channels")},
        ),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "a wrong path on the mirror",
        "a package that does not exist",
        "terms of service",
        "no environments",
        "a version that does not exist",
        "an environment for VS Code that is not declared",
    ],
)
def test_a_mistake_stops_the_node_before_its_first_change(bare: Node, kind: str) -> None:
    variables, expected = late(bare, kind)
    stops_before_any_change(bare, expected, **variables)


def of_all_roles(node: Node) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Return one mistake for each role, and what is said about it."""
    variables: dict[str, Any] = {}
    expected: dict[str, tuple[str, ...]] = {}
    for kind in (
        "terms of service",
        "a version that does not exist",
        "a toolkit that does not exist",
        "an environment for VS Code that is not declared",
        "a key of conda's configuration",
    ):
        some, words = late(node, kind)
        variables |= some
        expected |= words
    variables |= {"conda_environments_list": [KERNEL, MISTYPED]}
    expected |= {"conda_environments": ("numpyy",), "jupyter": ("conda_environments_list",)}
    return variables, expected


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_mistakes_of_all_roles_are_one_message(bare: Node, options: tuple[str, ...]) -> None:
    variables, expected = of_all_roles(bare)
    stops_before_any_change(bare, expected, *options, **variables)


def shows_the_whole_plan(node: Node, *roles: str) -> None:
    """Require that a rehearsal says of each of these roles what it would change."""
    before = node.fingerprint()
    answer = node.play("site.yml", "--check")
    assert answer.succeeded()
    tasks = re.split(r"^TASK \[", answer.output, flags=re.MULTILINE)
    changing = {task.split()[0] for task in tasks if "\nchanged: [debian12-1]" in task}
    assert changing == {f"evenkeel.gpu.{role}" for role in roles}
    assert node.fingerprint() == before


ROLES = (
    *("cuda_toolkit", "nvidia_container_toolkit", "miniconda", "condarc", "conda_environments"),
    *("jupyter", "remote_access"),
)


def test_a_rehearsal_of_a_bare_node_shows_the_whole_plan(bare: Node) -> None:
    shows_the_whole_plan(bare, *ROLES)


@pytest.mark.long
def test_a_rehearsal_of_a_bare_node_with_a_gpu_shows_the_whole_plan(with_gpu: Node) -> None:
    shows_the_whole_plan(with_gpu, "nvidia_driver", *ROLES)


@pytest.mark.parametrize("kind", ["a package that does not exist", "terms of service"])
def test_a_mistake_stops_a_node_with_a_gpu_before_its_driver(with_gpu: Node, kind: str) -> None:
    variables, expected = late(with_gpu, kind)
    stops_before_any_change(with_gpu, expected, **variables)


def test_mistakes_of_all_roles_and_the_driver_are_one_message(with_gpu: Node) -> None:
    variables, expected = of_all_roles(with_gpu)
    driver = {"nvidia_driver": ("No version is known for the driver's branch 581",)}
    stops_before_any_change(with_gpu, {**driver, **expected}, **variables, nvidia_driver_branch="581")


# users' own problems


def test_what_is_wrong_in_a_home_neither_stops_the_node_nor_is_work(bare: Node) -> None:
    bare.host.check_output("useradd --create-home bo && ln -s /home/ops/.bashrc ~bo/.condarc")
    declared = {"tags": "condarc", "condarc_users": ["bo"]}
    report = "TASK [Report problems with users' homes and notebooks]"
    reported = "bo: conda cannot use /home/bo/.condarc"
    first = bare.play(**declared)
    assert first.succeeded()
    assert "changed: [debian12-1]" in first.output
    assert reported in first.output.partition(report)[2]

    again = bare.play(**declared)
    assert again.succeeded()
    assert "changed=0" in again.output
    assert "TASK [evenkeel.gpu.condarc : " not in again.output
    assert reported in again.output.partition(report)[2]

    assert bare.play(**declared, evenkeel_user_problems_fail=True).failed_saying(report, reported)
