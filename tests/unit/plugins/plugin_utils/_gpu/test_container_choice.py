# SPDX-License-Identifier: GPL-3.0-or-later
"""The container toolkit: its version, and where each platform gets it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.container_choice import Wish
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

OWN = "https://nvidia.github.io/libnvidia-container"


def choose(
    distribution: str = "Debian", release: str = "12.11", machine: str = "x86_64", **wish: Any
) -> dict[str, Any]:
    return container_choice.choose(Platform(distribution, release, machine), Wish(**wish))


@pytest.mark.parametrize(
    ("platform", "wish", "kind", "url", "key"),
    [
        (("Debian", "12.11", "x86_64"), {}, "apt", f"{OWN}/stable/deb/amd64/", f"{OWN}/gpgkey"),
        (("Ubuntu", "24.04", "aarch64"), {}, "apt", f"{OWN}/stable/deb/arm64/", f"{OWN}/gpgkey"),
        (("Rocky", "9.4", "aarch64"), {}, "rpm", f"{OWN}/stable/rpm/aarch64/", f"{OWN}/gpgkey"),
        (
            ("RedHat", "10.0", "x86_64"),
            {"repository_base": "http://own/nct/"},
            *("rpm", "http://own/nct/stable/rpm/x86_64/", "http://own/nct/gpgkey"),
        ),
        (
            ("Debian", "13.1", "x86_64"),
            {"repository_key_url": "http://own/key.asc"},
            *("apt", f"{OWN}/stable/deb/amd64/", "http://own/key.asc"),
        ),
    ],
)
def test_each_platform_has_its_repository(
    platform: tuple[str, str, str], wish: dict[str, str], kind: str, url: str, key: str
) -> None:
    repository = choose(*platform, **wish)["repository"]
    assert (repository["kind"], repository["url"], repository["key_url"]) == (kind, url, key)


def test_all_packages_have_one_version_the_known_one_or_the_named_one() -> None:
    known = read_mapping(container_choice.DATA)["version"]
    for version, expected in (("", known), ("1.18.1", "1.18.1")):
        packages = choose(version=version)["packages"]
        assert [one["version"] for one in packages] == [expected] * 4
        assert packages[0]["name"] == "nvidia-container-toolkit"


def test_the_oldest_release_that_keeps_the_specification_is_accepted() -> None:
    oldest = read_mapping(container_choice.DATA)["oldest"]
    assert choose(version=oldest)["problems"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"version": "1.17.8"}, "no service that keeps the CDI specification. Set it to 1.18.0 or newer"),
        ({"version": "latest"}, "nvidia_container_toolkit_version is 'latest'"),
        ({"version": "1.20"}, "nvidia_container_toolkit_version is '1.20'"),
        ({"release": "11.9"}, "Evenkeel does not support NVIDIA's packages on Debian 11.9"),
        ({"machine": "riscv64"}, "Evenkeel does not support NVIDIA's packages on Debian 12.11 on riscv64"),
    ],
)
def test_what_cannot_be_had_is_a_problem(arguments: dict[str, str], words: str) -> None:
    chosen = choose(**arguments)
    assert list(chosen) == ["problems"]
    assert words in chosen["problems"][0]
