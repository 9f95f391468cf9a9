# SPDX-License-Identifier: GPL-3.0-or-later
"""The container toolkit's packages, and which container engines are set up."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import container_toolkit
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.container_toolkit import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted

PACKAGES = (Wanted("nvidia-container-toolkit", "1.20.1"), Wanted("libnvidia-container1", "1.20.1"))
NAMES = ("nvidia-container-toolkit", "libnvidia-container1")


@pytest.mark.parametrize(
    ("wanted", "installed", "expected"),
    [
        (["auto"], {"podman", "docker"}, ("docker", "podman")),
        (["auto"], {"podman"}, ("podman",)),
        (["auto"], set(), ()),
        (["docker"], {"podman"}, ("docker",)),
        (["auto", "docker"], {"podman"}, ("docker", "podman")),
        ([], {"podman", "docker"}, ()),
    ],
)
def test_engines(wanted: list[str], installed: set[str], expected: tuple[str, ...]) -> None:
    assert container_toolkit.engines(wanted, installed) == expected


@pytest.mark.parametrize(
    ("hold", "apt", "held", "released", "more"),
    [
        (True, True, NAMES, (), []),
        (False, True, (), NAMES, []),
        (True, False, NAMES, (), ["python3-dnf-plugin-versionlock"]),
        (False, False, (), NAMES, []),
    ],
)
def test_packages_are_held_or_released(
    hold: bool, apt: bool, held: tuple[str, ...], released: tuple[str, ...], more: list[str]
) -> None:
    request = container_toolkit.request(Desired(PACKAGES, hold=hold), apt=apt)
    assert (request.hold, request.release) == (held, released)
    assert [one.name for one in request.wanted] == [*more, *NAMES]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("podman version 3.4.4", "podman 3.4 does not take GPUs by their names; podman 4.1 is the first"),
        ("podman version 4.0.2", "podman 4.0 does not"),
        ("podman version 4.1.0", ""),
        ("podman version 5.10.1", ""),
        ("", ""),
    ],
)
def test_an_old_podman_is_told(said: str, problem: str) -> None:
    problems = container_toolkit.podman_problems(said)
    assert bool(problems) is bool(problem)
    assert problem in "".join(problems)


def test_each_engine_has_its_check() -> None:
    assert container_toolkit.check_command("docker").startswith(
        "docker run --rm --device nvidia.com/gpu=all docker.io/"
    )
    assert "--security-opt=label=disable docker.io" in container_toolkit.check_command("podman")
