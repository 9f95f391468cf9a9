# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver as stand-ins for Red Hat Enterprise Linux and its kin: the RPM packages and their streams."""

from __future__ import annotations

from typing import Any

from lab.upstream.nvidia import driver as nvidia_driver
from lab.upstream.nvidia.driver import branch, standin
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_repository

MODULE = "nvidia-driver"
_FOLDER = "usr/lib64"
_LIBRARIES = {
    "libnvidia-ml": ("libnvidia-ml1",),
    "libnvidia-cfg": ("libnvidia-cfg1",),
    "libnvidia-fbc": ("libnvidia-fbc1",),
    "nvidia-driver-cuda-libs": (
        "libcuda1",
        "libnvcuvid1",
        "libnvidia-encode1",
        "libnvidia-nvvm4",
        "libnvidia-opticalflow1",
        "libnvidia-ptxjitcompiler1",
    ),
}
_UNIT = "usr/lib/systemd/system"


def packages(version: str, dist: str) -> list[OsPackage]:
    """Return the packages of one version for the distribution of the tag ``dist``, such as ``el9``."""
    return [*_driver(version, dist), *_fabric(version, dist)]


def streams(dist: str) -> str:
    """Return the documents of the streams that the repository has, each with all the versions that it may be at."""
    oldest = nvidia_driver.OLDEST
    branches = [(str(number), versions) for number, versions in nvidia_driver.BRANCHES.items() if number >= oldest]
    newest = branches[-1][1]
    wanted = {
        **{f"{name}-open": (versions, True) for name, versions in branches},
        **{f"{name}-dkms": (versions, False) for name, versions in branches},
        "open-dkms": (newest, True),
        "latest-dkms": (newest, False),
    }
    documents = [rpm_repository.defaults_text(MODULE, "latest-dkms")]
    for stream, (versions, open_) in wanted.items():
        unwanted = {"kmod-nvidia-latest-dkms", "cuda-drivers"} if open_ else {"kmod-nvidia-open-dkms", "nvidia-open"}
        made = [one for version in versions for one in _driver(version, dist)]
        of_stream = [one for one in made if one.name not in unwanted]
        documents.append(rpm_repository.stream_text(MODULE, stream, f"NVIDIA driver {stream}", of_stream))
    return "".join(documents)


def _rpm(name: str, version: str, dist: str, summary: str, /, *depends: str, **more: Any) -> OsPackage:
    fields = {"architecture": "x86_64", **more}
    return OsPackage(name, f"3:{version}-1.{dist}", summary=summary, depends=depends, **fields)


def _same(version: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{name} = 3:{version}" for name in names)


def _driver(version: str, dist: str) -> list[OsPackage]:
    made = []
    for name, parts in _LIBRARIES.items():
        files: dict[str, str | bytes] = {}
        links: dict[str, str] = {}
        for part in parts:
            own_files, own_links = nvidia_driver.libraries(part, version, _FOLDER)
            files |= own_files
            links |= own_links
        needs = _same(version, "libnvidia-ml") if name == "nvidia-driver-cuda-libs" else ()
        scripts = {"post": "/sbin/ldconfig", "postun": "/sbin/ldconfig"}
        made.append(
            _rpm(name, version, dist, "NVIDIA driver's library", *needs, files=files, links=links, scripts=scripts)
        )
    common = _same(version, "nvidia-kmod-common")
    kmods = (
        ("kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms", True),
        ("kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms", False),
    )
    for name, other, open_ in kmods:
        made.append(
            _rpm(
                name,
                version,
                dist,
                "NVIDIA kernel module's source",
                "dkms",
                *common,
                provides=(f"nvidia-kmod = 3:{version}",),
                conflicts=(other,),
                files=nvidia_driver.module_source(version, open_=open_),
                scripts={name: standin(f"dkms.{name}", VERSION=version) for name in ("post", "preun")},
            )
        )
    everything = ("nvidia-driver", "nvidia-driver-cuda", "nvidia-settings", "nvidia-xconfig")
    return [
        *made,
        _rpm(
            "nvidia-kmod-common",
            version,
            dist,
            "NVIDIA kernel module's common files",
            *_same(version, "nvidia-kmod", "nvidia-modprobe"),
            architecture="noarch",
            files={
                "usr/lib/modprobe.d/nvidia.conf": "options nvidia NVreg_PreserveVideoMemoryAllocations=1\n",
                f"usr/lib/firmware/nvidia/{version}/gsp_ga10x.bin": f"stand-in {version}\n",
            },
        ),
        _rpm(
            "nvidia-modprobe",
            version,
            dist,
            "NVIDIA kernel module's loader",
            files={"usr/bin/nvidia-modprobe": standin("refuse")},
        ),
        _rpm(
            "nvidia-persistenced",
            version,
            dist,
            "NVIDIA persistence daemon",
            *_same(version, "libnvidia-cfg"),
            files={
                "usr/bin/nvidia-persistenced": standin("nvidia-persistenced"),
                f"{_UNIT}/nvidia-persistenced.service": standin("nvidia-persistenced.service"),
            },
            scripts={
                "pre": "getent passwd nvidia-persistenced >/dev/null || useradd --system nvidia-persistenced\n",
                "post": "[ ! -d /run/systemd/system ] || systemctl daemon-reload\n",
            },
        ),
        _rpm(
            "nvidia-driver-cuda",
            version,
            dist,
            "NVIDIA driver's CUDA part",
            *_same(version, "nvidia-driver-cuda-libs", "nvidia-kmod-common", "nvidia-persistenced"),
            files={"usr/bin/nvidia-smi": standin("nvidia-smi", VERSION=version)},
        ),
        _rpm("nvidia-driver-libs", version, dist, "NVIDIA driver's libraries", *_same(version, "libnvidia-fbc")),
        _rpm(
            "nvidia-driver",
            version,
            dist,
            "NVIDIA driver's graphics part",
            *_same(version, "nvidia-driver-libs", "nvidia-kmod-common"),
        ),
        _rpm("nvidia-settings", version, dist, "NVIDIA driver's settings"),
        _rpm("nvidia-xconfig", version, dist, "NVIDIA driver's X configuration"),
        _rpm(
            "nvidia-open",
            version,
            dist,
            "NVIDIA driver, open",
            *_same(version, *everything, "kmod-nvidia-open-dkms"),
            architecture="noarch",
        ),
        _rpm(
            "cuda-drivers",
            version,
            dist,
            "NVIDIA driver, proprietary",
            *_same(version, *everything, "kmod-nvidia-latest-dkms"),
        ),
    ]


def _fabric(version: str, dist: str) -> list[OsPackage]:
    """Return what has the driver's version, but no epoch; from 580 on names have no branch, and releases a tag."""
    new = branch(version) >= nvidia_driver.UNBRANCHED
    whole = f"{version}-1.{dist}" if new else f"{version}-1"
    suffix = "" if new else f"-{branch(version)}"
    manager = {
        "usr/bin/nv-fabricmanager": standin("nv-fabricmanager", VERSION=version),
        f"{_UNIT}/nvidia-fabricmanager.service": standin("nvidia-fabricmanager.service"),
        "usr/share/nvidia/nvswitch/fabricmanager.cfg": "LOG_LEVEL=4\n",
    }
    imex = {
        "usr/bin/nvidia-imex": standin("refuse"),
        f"{_UNIT}/nvidia-imex.service": standin("nvidia-imex.service"),
    }
    name = "nvidia-fabricmanager" if new else "nvidia-fabric-manager"
    return [
        OsPackage(name, whole, "x86_64", "NVIDIA fabric manager", files=manager),
        OsPackage(f"libnvidia-nscq{suffix}", whole, "x86_64", "NVIDIA NSCQ library"),
        OsPackage(f"libnvsdm{suffix}", whole, "x86_64", "NVIDIA NVSDM library"),
        OsPackage(f"nvidia-imex{suffix}", whole, "x86_64", "NVIDIA IMEX service", files=imex),
    ]
