# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-ins of NVIDIA's repositories hold: every dependency is either in them or a distribution's."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from lab.upstream.nvidia import container as nvidia_container
from lab.upstream.nvidia import cuda as nvidia_cuda
from lab.upstream.nvidia import cuda_rpm as nvidia_cuda_rpm
from lab.upstream.nvidia import driver as nvidia_driver
from lab.upstream.nvidia import driver_rpm as nvidia_driver_rpm
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import enterprise_linux

DEBIAN = {"dkms"}
ENTERPRISE = {package.name for package in enterprise_linux.packages(enterprise_linux.RELEASES[0])}


def _names(packages: Iterable[OsPackage]) -> set[str]:
    return {re.split(r"[ (]", name)[0] for package in packages for name in (package.name, *package.provides)}


def _needs(packages: Iterable[OsPackage]) -> set[str]:
    return {re.split(r"[ (]", name)[0] for package in packages for name in package.depends}


@pytest.mark.parametrize("version", nvidia_driver.VERSIONS)
def test_a_debian_driver_is_whole(version: str) -> None:
    packages = nvidia_driver.debian_packages(version)
    assert _needs(packages) - _names(packages) == DEBIAN


@pytest.mark.parametrize("version", nvidia_driver.VERSIONS)
def test_an_enterprise_driver_is_whole(version: str) -> None:
    packages = nvidia_driver_rpm.packages(version, "el9")
    assert _needs(packages) - _names(packages) <= ENTERPRISE


def test_cuda_is_whole_but_for_the_driver_that_some_names_bring() -> None:
    assert _needs(nvidia_cuda.debian_packages()) - _names(nvidia_cuda.debian_packages()) == {"cuda-drivers"}
    assert _needs(nvidia_cuda_rpm.packages()) - _names(nvidia_cuda_rpm.packages()) == {"cuda-drivers"}


@pytest.mark.parametrize("version", nvidia_container.VERSIONS)
def test_a_container_toolkit_is_whole(version: str) -> None:
    for packages in (nvidia_container.debian_packages(version), nvidia_container.rpm_packages(version)):
        assert _needs(packages) <= _names(packages)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("570.211.01", "nvidia-fabricmanager-570"),
        ("580.178.04", "nvidia-fabricmanager"),
        ("580.178.04", "nvidia-open-580"),
        ("595.91.07", "libnvidia-nscq"),
    ],
)
def test_names_have_the_branch_as_long_as_the_real_ones(version: str, name: str) -> None:
    assert name in _names(nvidia_driver.debian_packages(version))


def test_only_the_broken_version_calls_what_kernels_no_longer_have() -> None:
    sources = {
        version: nvidia_driver.module_source(version, open_=True)[f"usr/src/nvidia-{version}/nvidia.c"]
        for version in nvidia_driver.VERSIONS
    }
    broken = [version for version, source in sources.items() if "ioremap_nocache" in str(source)]
    assert broken == [nvidia_driver.BROKEN_VERSION]


def test_no_placeholder_is_left() -> None:
    for version in nvidia_driver.VERSIONS:
        for package in [*nvidia_driver.debian_packages(version), *nvidia_driver_rpm.packages(version, "el9")]:
            for text in [*package.files.values(), *package.scripts.values()]:
                assert not re.search(r"@[A-Z]+@", text if isinstance(text, str) else text.decode("latin-1"))


@pytest.mark.parametrize(
    ("open_", "title", "licence"),
    [(True, "Open Kernel Module for x86_64", "Dual MIT/GPL"), (False, "x86_64 Kernel Module", "NVIDIA")],
)
def test_a_module_shows_its_flavour_where_it_is_read(open_: bool, title: str, licence: str) -> None:
    source = str(nvidia_driver.module_source("580.178.04", open_=open_)["usr/src/nvidia-580.178.04/nvidia.c"])
    assert f"NVRM version: NVIDIA UNIX {title}  580.178.04  Release Build" in source
    assert f'MODULE_LICENSE("{licence}")' in source
