# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver as Ubuntu packages it: names carry the branch, and ``-server`` where it is the one for data centers.

Sources: Ubuntu's packaging templates (nvidia-graphics-drivers) and the index of its packages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.upstream.nvidia.driver import branch
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu import nvidia_driver
from lab.upstream.ubuntu.nvidia_driver import EVERYTHING, FLAVOURS

#: By package: those of its own version that it needs.
_SAME_VERSION = {
    "libnvidia-compute": (),
    "libnvidia-decode": ("libnvidia-compute",),
    "libnvidia-encode": ("libnvidia-decode",),
    "libnvidia-fbc1": (),
    "libnvidia-extra": ("libnvidia-gl",),
    "libnvidia-cfg1": (),
    "libnvidia-common": (),
    "libnvidia-gl": ("libnvidia-common", "libnvidia-compute"),
    "nvidia-kernel-common": (),
    "nvidia-utils": ("libnvidia-compute",),
    "nvidia-compute-utils": ("libnvidia-compute",),
    "xserver-xorg-video-nvidia": ("libnvidia-cfg1", "libnvidia-gl"),
}


@dataclass(frozen=True)
class Driver:
    """One driver of the archive: its version, the revision of its packages, and ``-server`` or nothing."""

    version: str
    revision: str
    server: str = ""

    @property
    def name(self) -> str:
        """The branch as names carry it, such as ``580-server``."""
        return f"{branch(self.version)}{self.server}"

    @property
    def whole(self) -> str:
        """The version of its packages."""
        return f"{self.version}-{self.revision}"

    def exact(self, *names: str) -> tuple[str, ...]:
        """Return dependencies on packages of this driver at its version."""
        return tuple(f"{name}-{self.name} (= {self.whole})" for name in names)


def packages(driver: Driver) -> list[OsPackage]:
    """Return the packages of one driver."""
    firmware = f"nvidia-firmware-{driver.name}-{driver.version}"
    return [
        _deb(
            driver,
            firmware,
            also_provides=(f"nvidia-firmware-{driver.name}",),
            takes_from=tuple(name for name in nvidia_driver.archive_firmware(driver.version) if name != firmware),
            files_of="nvidia-firmware",
        ),
        *_userspace(driver, firmware),
        *(package for flavour in FLAVOURS for package in _kernel(driver, flavour)),
    ]


def _deb(
    driver: Driver,
    name: str,
    /,
    *depends: str,
    stands_for: str = "",
    also_provides: tuple[str, ...] = (),
    takes_from: tuple[str, ...] = (),
    files_of: str = "",
) -> OsPackage:
    virtual: tuple[str, ...] = (stands_for,) if stands_for else ()
    files, links = nvidia_driver.contents(files_of, driver.version)
    scripts = nvidia_driver.triggers(files_of)
    if files_of == "nvidia-compute-utils":  # Ubuntu has no package of the daemon's own
        files, scripts = nvidia_driver.daemon(), nvidia_driver.daemon_scripts()
        virtual += ("nvidia-persistenced",)
    return OsPackage(
        name,
        driver.whole,
        "amd64",
        "NVIDIA driver",
        section="restricted/libs",
        depends=depends,
        provides=(*virtual, *also_provides),
        conflicts=(*virtual, *takes_from),
        replaces=(*virtual, *takes_from),
        source=f"nvidia-graphics-drivers-{driver.name}",
        files=files,
        links=links,
        scripts=scripts,
    )


def _userspace(driver: Driver, firmware: str) -> list[OsPackage]:
    kernel_common = f"nvidia-kernel-common-{driver.name}-{driver.version}"
    loose = {"libnvidia-compute": (kernel_common,), "nvidia-kernel-common": (firmware,)}
    return [
        _deb(
            driver,
            f"{name}-{driver.name}",
            *driver.exact(*same),
            *loose.get(name, ()),
            stands_for=name,
            also_provides=(kernel_common,) if name == "nvidia-kernel-common" else (),
            files_of=name,
        )
        for name, same in _SAME_VERSION.items()
    ]


def _kernel(driver: Driver, flavour: str) -> list[OsPackage]:
    """Return a flavour's module as source, and the packages that bring it with or without what builds it."""
    own = f"{driver.name}{flavour}"
    source = f"nvidia-kernel-source-{own}"
    at_least = f"(>= {driver.version})"
    dkms = f"nvidia-dkms-{own}"
    no_dkms = f"nvidia-headless-no-dkms-{own}"
    conf, rest = nvidia_driver.sources(driver.version, flavour)
    built = f"{dkms} {at_least} | nvidia-kernel-common-{driver.name} {at_least}"
    exact_source = f"{source} (= {driver.whole})"
    headless = driver.exact("libnvidia-compute", "nvidia-kernel-common", "nvidia-compute-utils", "libnvidia-cfg1")
    return [
        replace(_deb(driver, source, stands_for="nvidia-kernel-source"), files=rest),
        replace(
            _deb(
                driver,
                dkms,
                exact_source,
                f"nvidia-kernel-common-{driver.name} {at_least}",
                "dkms",
                stands_for="nvidia-dkms-kernel",
            ),
            files=conf,
            scripts=nvidia_driver.dkms_scripts(driver.version),
        ),
        _deb(driver, no_dkms, *headless, exact_source),
        _deb(
            driver,
            f"nvidia-headless-{own}",
            f"{no_dkms} (= {driver.whole})",
            f"{dkms} (= {driver.whole})",
            stands_for="nvidia-headless",
        ),
        _deb(
            driver,
            f"nvidia-driver-{own}",
            *driver.exact(*EVERYTHING),
            built,
            exact_source,
            stands_for="nvidia-driver-binary",
        ),
    ]
