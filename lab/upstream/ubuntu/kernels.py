# SPDX-License-Identifier: GPL-3.0-or-later
"""Ubuntu's kernels: images, headers and meta packages, and NVIDIA's modules that Ubuntu builds and signs for them.

They exist in the lab alone. Modules are built for them by a real compiler, against headers with a few declarations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.upstream.nvidia.driver import STANDINS
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu import kernel_module
from lab.upstream.ubuntu.archive_driver import Driver
from lab.upstream.ubuntu.nvidia_driver import FLAVOURS

HEADERS = STANDINS / "kernel"


@dataclass(frozen=True)
class Kernel:
    """One kernel: its release without the flavour, its flavour, and the version of its packages.

    Parameters
    ----------
    metas
        The words of the meta packages that bring it, where it is their newest: ``linux-image-WORD`` and its kin.
    has_headers
        Whether the archive still has its headers.
    """

    release: str
    flavour: str
    version: str
    metas: tuple[str, ...] = ()
    has_headers: bool = True

    @property
    def uname(self) -> str:
        """Its whole release, as ``uname -r`` prints it."""
        return f"{self.release}-{self.flavour}"


def packages(kernels: Sequence[Kernel], signed_drivers: Sequence[Driver]) -> list[OsPackage]:
    """Return the packages of kernels, each with the modules of ``signed_drivers``."""
    made = []
    for kernel in kernels:
        made += [*_image(kernel), *_modules(kernel, signed_drivers)]
        made += _headers(kernel) if kernel.has_headers else []
        for word in kernel.metas:
            made += [*_metas(kernel, word), *_module_metas(kernel, word, signed_drivers)]
    return list({(package.name, package.version): package for package in made}.values())


def _image(kernel: Kernel) -> list[OsPackage]:
    """Return the kernel, signed and unsigned, of which one can be installed, and its modules."""
    uname = kernel.uname
    modules = OsPackage(
        f"linux-modules-{uname}",
        kernel.version,
        "amd64",
        "kernel's modules",
        section="kernel",
        source=_source(kernel),
        files={f"lib/modules/{uname}/modules.order": "", f"lib/modules/{uname}/modules.builtin": ""},
    )
    names = (f"linux-image-{uname}", f"linux-image-unsigned-{uname}")
    images = [
        OsPackage(
            name,
            kernel.version,
            "amd64",
            "kernel",
            section="kernel",
            source=_source(kernel) if name == names[1] else _source(kernel).replace("linux", "linux-signed", 1),
            depends=("kmod", modules.name),
            conflicts=(other,),
            files={f"boot/vmlinuz-{uname}": f"Linux {uname}, of Evenkeel's lab\n"},
            scripts={"postinst": _hooks("postinst", uname, f"/boot/vmlinuz-{uname}")},
        )
        for name, other in (names, names[::-1])
    ]
    return [modules, *images]


def _headers(kernel: Kernel) -> list[OsPackage]:
    uname = kernel.uname
    tree, common = f"usr/src/linux-headers-{uname}", f"linux-headers-{kernel.release}"
    if kernel.flavour != "generic":  # another source, whose common headers have its name
        common = f"linux-{kernel.flavour}-headers-{kernel.release}"
    files = {
        f"{tree}/{name}": path.read_text().replace("@KERNEL@", uname)
        for path in sorted(HEADERS.iterdir())
        for name in [path.name if path.name == "Makefile" else f"include/linux/{path.name}"]
    }
    return [
        OsPackage(
            common,
            kernel.version,
            "all",
            "kernel's headers",
            section="devel",
            source=_source(kernel),
            files={f"usr/src/{common}/Makefile": "# The headers of one flavour are in its own folder.\n"},
        ),
        OsPackage(
            f"linux-headers-{uname}",
            kernel.version,
            "amd64",
            "kernel's headers",
            section="devel",
            source=_source(kernel),
            depends=(common,),
            files=files,
            links={f"lib/modules/{uname}/build": f"/{tree}"},
            scripts={"postinst": _hooks("header_postinst", uname)},
        ),
    ]


def _metas(kernel: Kernel, word: str) -> list[OsPackage]:
    """Return the meta packages that bring the newest kernel of a flavour, such as ``linux-image-generic``."""
    image, headers = f"linux-image-{word}", f"linux-headers-{word}"
    needs = {
        image: (f"linux-image-{kernel.uname}",),
        headers: (f"linux-headers-{kernel.uname}",),
        f"linux-{word}": (f"{image} (= {kernel.version})", f"{headers} (= {kernel.version})"),
    }
    if word == "virtual":
        needs["linux-image-extra-virtual"] = (f"linux-image-generic (= {kernel.version})",)
    return [
        OsPackage(name, kernel.version, "amd64", "kernel", section="kernel", depends=depends, source="linux-meta")
        for name, depends in needs.items()
    ]


def _modules(kernel: Kernel, drivers: Sequence[Driver]) -> list[OsPackage]:
    """Return NVIDIA's modules, prebuilt for a kernel."""
    signatures = OsPackage(
        f"linux-signatures-nvidia-{kernel.uname}",
        f"{kernel.version}+1",
        "amd64",
        "signatures of NVIDIA's modules",
        section="restricted/kernel",
        source="linux-restricted-signatures",
    )
    made = [signatures] if drivers else []
    for driver in drivers:
        for flavour in FLAVOURS:
            licence = "Dual MIT/GPL" if flavour else "NVIDIA"
            about = {"license": licence, "version": driver.version, "name": "nvidia"}
            about["vermagic"] = f"{kernel.uname} SMP preempt mod_unload modversions "
            folder = f"lib/modules/{kernel.uname}/kernel/nvidia-{driver.name.replace('-server', 'srv')}{flavour}"
            made.append(
                OsPackage(
                    f"linux-modules-nvidia-{driver.name}{flavour}-{kernel.uname}",
                    f"{kernel.version}+1",
                    "amd64",
                    "NVIDIA's modules, prebuilt and signed",
                    section="restricted/kernel",
                    source="linux-restricted-modules",
                    depends=(
                        f"linux-image-{kernel.uname} | linux-image-unsigned-{kernel.uname}",
                        f"{signatures.name} (= {signatures.version})",
                        f"nvidia-kernel-common-{driver.name} (>= {driver.version})",
                    ),
                    provides=("nvidia-prebuilt-kernel",),
                    files={f"{folder}/nvidia.ko": kernel_module.write(about)},
                    scripts={"postinst": f"#!/bin/sh\nset -e\ndepmod {kernel.uname}\n"},
                )
            )
    return made


def _module_metas(kernel: Kernel, word: str, drivers: Sequence[Driver]) -> list[OsPackage]:
    """Return the meta packages that bring NVIDIA's modules for the newest kernel of a flavour."""
    return [
        OsPackage(
            f"linux-modules-nvidia-{driver.name}{flavour}-{word}",
            f"{kernel.version}+1",
            "amd64",
            "NVIDIA's modules, prebuilt and signed",
            section="restricted/kernel",
            source="linux-restricted-modules",
            depends=(f"linux-modules-nvidia-{driver.name}{flavour}-{kernel.uname} (= {kernel.version}+1)",),
        )
        for driver in drivers
        for flavour in FLAVOURS
    ]


def _source(kernel: Kernel) -> str:
    return "linux" if kernel.flavour == "generic" else f"linux-{kernel.flavour}"


def _hooks(kind: str, uname: str, *more: str) -> str:
    """Return the script that has those asked who act when a kernel or its headers come, such as DKMS."""
    folder = f"/etc/kernel/{kind}.d"
    arguments = " ".join(f"--arg={argument}" for argument in (uname, *more))
    depmod = f"depmod {uname}\n" if kind == "postinst" else ""
    return f"#!/bin/sh\nset -e\n{depmod}[ ! -d {folder} ] || run-parts --exit-on-error {arguments} {folder}\n"
