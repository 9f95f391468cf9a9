# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-ins of Ubuntu's and NVIDIA's repositories hold: names, dependencies and versions as in the field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from lab.images import image
from lab.upstream.nvidia.driver import BRANCHES, branch
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu import kernels, nvidia_driver, releases
from lab.upstream.ubuntu.kernels import Kernel
from lab.upstream.ubuntu.releases import RELEASES, Release

#: What Debian's archive has, which stands below the nodes.
DEBIAN = {"dkms", "kmod"}
DATA = Path(__file__).parents[5] / "plugins" / "plugin_utils" / "data" / "nvidia_branches.yml"
NOBLE = next(release for release in RELEASES if release.codename == "noble")


def _names(packages: Iterable[OsPackage]) -> set[str]:
    return {re.split(r"[ (]", name)[0] for package in packages for name in (package.name, *package.provides)}


def _missing(packages: list[OsPackage]) -> set[str]:
    """Return dependencies of which no alternative is among the packages."""
    names, exact = _names(packages), {f"{package.name} (= {package.version})" for package in packages}

    def there(need: str) -> bool:
        return need in exact if " (= " in need else re.split(r"[ (]", need)[0] in names | DEBIAN

    needs = {need for package in packages for need in package.depends}
    return {need for need in needs if not any(map(there, need.split(" | ")))}


@pytest.mark.parametrize("version", [version for versions in BRANCHES.values() for version in versions])
def test_a_driver_of_nvidia_is_whole(version: str) -> None:
    assert not _missing(nvidia_driver.packages(version))


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: str(release.name))
def test_an_archive_is_whole_but_for_headers_that_are_gone(release: Release) -> None:
    assert not _missing(releases.archive_packages(release))


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: str(release.name))
def test_an_archive_has_a_kernel_whose_headers_are_gone(release: Release) -> None:
    names = _names(releases.archive_packages(release))
    gone = next(kernel for kernel in release.kernels if not kernel.has_headers)
    assert {f"linux-image-{gone.uname}", f"linux-image-unsigned-{gone.uname}"} <= names
    assert f"linux-headers-{gone.uname}" not in names


def test_every_release_has_an_image_of_its_name() -> None:
    assert {release.name for release in RELEASES} == set(image.UBUNTU)


@pytest.mark.parametrize("name", list(yaml.safe_load(DATA.read_text())["branches"]))
def test_a_declared_version_stands_between_an_older_and_two_newer_ones(name: str) -> None:
    declared = yaml.safe_load(DATA.read_text())["branches"][name]["version"]
    versions = list(BRANCHES[int(name)])
    assert versions == sorted(versions, key=lambda version: [int(part) for part in version.split(".")])
    assert 1 <= versions.index(declared) <= len(versions) - 3
    assert max(BRANCHES) > max(map(int, yaml.safe_load(DATA.read_text())["branches"]))


def test_only_the_newest_ubuntu_has_no_580() -> None:
    without = [r.codename for r in RELEASES if 580 not in {branch(version) for version in r.driver_versions}]
    assert without == ["resolute"]


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("570.211.01", {"nvidia-open-570", "libnvidia-compute-570", "nvidia-fabricmanager-570"}, "libnvidia-nscq"),
        ("580.178.04", {"nvidia-open-580", "libnvidia-compute-580", "nvidia-fabricmanager"}, "libnvidia-nscq-580"),
        ("595.91.07", {"nvidia-open", "libnvidia-compute", "nvidia-fabricmanager"}, "nvidia-open-595"),
    ],
)
def test_names_have_the_branch_as_long_as_the_real_ones(version: str, has: set[str], lacks: str) -> None:
    names = _names(nvidia_driver.packages(version))
    assert has <= names
    assert lacks not in names


@pytest.mark.parametrize("version", ["580.178.04", "595.91.07"])
def test_a_module_s_build_and_its_sources_are_in_two_packages(version: str) -> None:
    own = nvidia_driver.suffix(version)
    made = {package.name: package for package in nvidia_driver.packages(version)}
    folder = f"usr/src/nvidia-{version}"
    assert list(made[f"nvidia-dkms{own}-open"].files) == [f"{folder}/dkms.conf"]
    sources = set(made[f"nvidia-kernel-source{own}-open"].files)
    assert sources == {f"{folder}/{name}" for name in ("Kbuild", "Makefile", "nvidia.c")}


def test_a_package_of_the_driver_names_its_source() -> None:
    sources = {package.name: package.source for package in nvidia_driver.packages("580.178.04")}
    assert sources["libnvidia-compute-580"] == "nvidia-graphics-drivers-580"
    assert sources["cuda-drivers-580"] == "cuda-drivers"
    assert sources["nvidia-fabricmanager"] == "fabricmanager"
    assert "" not in sources.values()


def test_no_placeholder_is_left() -> None:
    for package in [*nvidia_driver.packages("580.178.04"), *releases.archive_packages(NOBLE)]:
        for text in [*package.files.values(), *package.scripts.values()]:
            assert not re.search(r"@[A-Z]+@", text if isinstance(text, str) else text.decode("latin-1"))


def test_a_meta_package_brings_the_newest_kernel_of_its_flavour() -> None:
    old, new = Kernel("6.8.0-1", "aws", "6.8.0-1.1"), Kernel("6.8.0-2", "aws", "6.8.0-2.2", ("aws",))
    made = {package.name: package for package in kernels.packages([old, new], [])}
    assert made["linux-image-aws"].depends == ("linux-image-6.8.0-2-aws",)
    assert made["linux-headers-aws"].depends == ("linux-headers-6.8.0-2-aws",)
    assert made["linux-headers-6.8.0-1-aws"].depends == ("linux-aws-headers-6.8.0-1",)


@pytest.mark.parametrize("flavour", ["generic", "aws", "azure", "gcp", "oracle", "nvidia", "generic-hwe-24.04"])
def test_signed_modules_are_there_for_every_flavour(flavour: str) -> None:
    names = _names(releases.archive_packages(NOBLE))
    for driver in ("580", "580-open", "580-server", "580-server-open"):
        assert f"linux-modules-nvidia-{driver}-{flavour}" in names


@pytest.mark.parametrize("version", ["580.178.04", "590.48.01"])
def test_packages_with_the_same_files_take_them_from_each_other(version: str) -> None:
    """Else dpkg stops in the middle of a change from Ubuntu's driver to NVIDIA's."""
    made = [*nvidia_driver.packages(version), *releases.archive_packages(NOBLE)]
    owners: dict[str, list[OsPackage]] = {}
    for package in made:
        for path in (*package.files, *package.links):
            owners.setdefault(path, []).append(package)
    for path, packages in owners.items():
        for one in packages:
            for other in packages:
                apart = one.name == other.name or {*one.conflicts} & {other.name, *other.provides}
                assert apart or {*other.conflicts} & {one.name, *one.provides}, (path, one.name, other.name)
