# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the repositories of each Ubuntu: drivers and kernels in its archive, drivers in NVIDIA's."""

from __future__ import annotations

from dataclasses import dataclass

from lab.upstream.nvidia.driver import BRANCHES
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu import archive_driver, kernels
from lab.upstream.ubuntu.archive_driver import Driver
from lab.upstream.ubuntu.kernels import Kernel


@dataclass(frozen=True)
class Release:
    """An Ubuntu: its version, its code name, its kernels, and branches that NVIDIA's repository lacks."""

    version: str
    codename: str
    kernels: tuple[Kernel, ...]
    unpublished: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of its nodes, which is that of NVIDIA's repository too."""
        return f"ubuntu{self.version.replace('.', '')}"

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """The drivers of its archive."""
        revision = f"0ubuntu0.{self.version}.1"
        both = ("580.95.05", "580.178.04")
        return (
            *(Driver(version, revision, server) for version in both for server in ("", "-server")),
            Driver("535.274.02", revision),
            Driver("535.274.02", revision, "-server"),
            Driver("570.195.03", revision),
            Driver("570.195.03", revision, "-server"),
            Driver("590.48.01", revision),
            Driver("590.48.01", revision, "-server"),
        )

    @property
    def signed_drivers(self) -> tuple[Driver, ...]:
        """The drivers that have prebuilt modules."""
        return tuple(driver for driver in self.drivers if driver.version in {"580.178.04", "535.274.02"})

    @property
    def driver_versions(self) -> tuple[str, ...]:
        """The driver's versions that NVIDIA's repository has."""
        published = (versions for branch, versions in BRANCHES.items() if branch not in self.unpublished)
        return tuple(version for versions in published for version in versions)


def _cloud(base: str, *builds: tuple[str, int], suffix: str = "") -> tuple[Kernel, ...]:
    """Return the kernels of the clouds and of NVIDIA: flavour and build of the newest, each with the one before it."""
    made = []
    for flavour, newest in builds:
        for build in (newest - 1, newest):
            release = f"{base}-{build}"
            metas = (flavour,) if build == newest else ()
            made.append(Kernel(release, flavour, f"{release}.{build - 1000}{suffix}", metas))
    return tuple(made)


#: Of the first kernel of each, the archive has no headers any more.
RELEASES = (
    Release(
        "22.04",
        "jammy",
        (
            Kernel("5.15.0-151", "generic", "5.15.0-151.161", has_headers=False),
            Kernel("5.15.0-160", "generic", "5.15.0-160.170"),
            Kernel("5.15.0-163", "generic", "5.15.0-163.173", ("generic", "virtual")),
            Kernel("6.8.0-90", "generic", "6.8.0-90.91~22.04.1", ("generic-hwe-22.04",)),
            *_cloud("6.8.0", ("aws", 1043), ("azure", 1041), ("gcp", 1044), ("oracle", 1040), suffix="~22.04.1"),
            *_cloud("5.15.0", ("nvidia", 1090)),
        ),
    ),
    Release(
        "24.04",
        "noble",
        (
            Kernel("6.8.0-79", "generic", "6.8.0-79.79", has_headers=False),
            Kernel("6.8.0-87", "generic", "6.8.0-87.88"),
            Kernel("6.8.0-90", "generic", "6.8.0-90.91", ("generic", "virtual")),
            Kernel("6.14.0-37", "generic", "6.14.0-37.37~24.04.1", ("generic-hwe-24.04",)),
            *_cloud("6.14.0", ("aws", 1018), ("azure", 1017), ("gcp", 1021), ("oracle", 1018), suffix="~24.04.1"),
            *_cloud("6.8.0", ("nvidia", 1043)),
        ),
    ),
    Release(
        "26.04",
        "resolute",
        (
            Kernel("7.0.0-10", "generic", "7.0.0-10.10", has_headers=False),
            Kernel("7.0.0-14", "generic", "7.0.0-14.14"),
            Kernel("7.0.0-22", "generic", "7.0.0-22.22", ("generic", "virtual", "generic-hwe-26.04")),
            *_cloud("7.0.0", ("aws", 1008), ("azure", 1007), ("gcp", 1009), ("oracle", 1006), ("nvidia", 1005)),
        ),
        unpublished=(535, 570, 580),
    ),
)


def archive_packages(release: Release) -> list[OsPackage]:
    """Return the packages of Ubuntu's archive."""
    made = [package for driver in release.drivers for package in archive_driver.packages(driver)]
    made += kernels.packages(release.kernels, release.signed_drivers)
    made.append(OsPackage("infiniband-diags", "50.0-2ubuntu0.2", "amd64", "InfiniBand's tools", section="net"))
    return made
