# SPDX-License-Identifier: GPL-3.0-or-later
"""The distributor's own repositories of Rocky Linux 8, 9 and 10, as stand-ins: names that others depend on.

Their kernels exist in the lab alone. Modules are built for them by a real compiler, against headers with a few
declarations, so that what a kernel no longer has is an error there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, locks, paths
from lab.upstream import signing_keys
from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.nvidia.driver import STANDINS
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_repository
from lab.upstream.signing_keys import Key

if TYPE_CHECKING:
    from rich.progress import Progress

KEY = Key("rocky")
KEY_FILE = "RPM-GPG-KEY-Rocky"
#: Names without content: what they stand for is in the node's image, or is not needed there.
_EMPTY = (
    "dkms",
    "dnf-automatic",
    "dnf-plugins-core",
    "dracut",
    "elfutils-libelf-devel",
    "gcc",
    "grubby",
    "infiniband-diags",
    "kmod",
    "make",
    "mokutil",
    "openssl",
    "pciutils",
    "python3-dnf-plugin-versionlock",
)
#: The setting that makes dnf keep older versions beside newer ones.
_SIDE_BY_SIDE = "installonlypkg(kernel)"
_HEADERS = STANDINS / "kernel"


@dataclass(frozen=True)
class Release:
    """A release of the distribution and the kernels that it has had."""

    major: str
    kernels: tuple[str, ...]

    @property
    def dist(self) -> str:
        """The tag in its packages' releases."""
        return f"el{self.major}"


RELEASES = (
    Release("8", ("4.18.0-553.16.1.el8_10", "4.18.0-553.58.1.el8_10")),
    Release("9", ("5.14.0-570.12.1.el9_6", "5.14.0-611.5.1.el9_7")),
    Release("10", ("6.12.0-55.9.1.el10_0", "6.12.0-124.8.1.el10_1")),
)


def build(progress: Progress) -> None:
    """Build the repositories where the recipes or the key have changed."""
    with locks.held("rocky"):
        recipes = [Path(__file__), *nvidia_repositories.sources(), *sorted(_HEADERS.iterdir())]
        content_key = cache.key(*recipes, signing_keys.ensure(KEY).armored)
        if cache.published(paths.ROCKY) != content_key:
            stage = cache.staging(paths.ROCKY)
            for release in progress.track(RELEASES, description="Rocky Linux's repositories"):
                folder = stage / release.major / "BaseOS" / "x86_64" / "os"
                rpm_repository.write(folder, packages(release), KEY)
            (stage / KEY_FILE).write_text(KEY.armored)
            cache.publish(stage, paths.ROCKY, content_key)


def packages(release: Release) -> list[OsPackage]:
    """Return the packages of a release."""
    shell = ("/bin/sh", "/usr/bin/sh", "/sbin/ldconfig")
    made = [OsPackage("bash", f"5.2-1.{release.dist}", "x86_64", "bash", provides=shell)]
    made += [OsPackage(name, f"1.0-1.{release.dist}", "noarch", name) for name in _EMPTY]
    return [*made, *(package for kernel in release.kernels for package in _kernel(kernel))]


def _kernel(kernel: str) -> list[OsPackage]:
    uname = f"{kernel}.x86_64"
    modules, tree = f"usr/lib/modules/{uname}", f"usr/src/kernels/{uname}"
    headers = {
        f"{tree}/{name}": path.read_text().replace("@KERNEL@", uname)
        for path in sorted(_HEADERS.iterdir())
        for name in [path.name if path.name == "Makefile" else f"include/linux/{path.name}"]
    }
    image = f"Linux {uname}, of Evenkeel's lab\n"
    return [
        OsPackage(
            "kernel",
            kernel,
            "x86_64",
            "kernel",
            depends=(f"kernel-core = {kernel}",),
            provides=(_SIDE_BY_SIDE,),
        ),
        OsPackage(
            "kernel-core",
            kernel,
            "x86_64",
            "kernel",
            provides=(_SIDE_BY_SIDE, f"kernel-core-uname-r = {uname}", f"kernel-modules = {kernel}"),
            files={
                f"boot/vmlinuz-{uname}": image,
                f"{modules}/vmlinuz": image,
                f"{modules}/modules.order": "",
                f"{modules}/modules.builtin": "",
            },
            links={f"{modules}/build": f"/{tree}"},
            scripts={"posttrans": f"depmod {uname} || :\n"},
        ),
        OsPackage(
            "kernel-devel",
            kernel,
            "x86_64",
            "kernel's headers for modules",
            provides=(_SIDE_BY_SIDE, f"kernel-devel-uname-r = {uname}"),
            files=headers,
        ),
        OsPackage("kernel-headers", kernel, "x86_64", "kernel's headers for programs"),
    ]
