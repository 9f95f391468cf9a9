# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver as stand-ins: what its releases consist of, and the Debian packages of each.

Names, versions and dependencies are those of NVIDIA's repositories. The kernel module is a real one, but drives
nothing; libraries answer as NVIDIA's do where there is no GPU.
"""

from __future__ import annotations

from pathlib import Path

from lab.upstream.nvidia import elf_library
from lab.upstream.os_package import OsPackage

STANDINS = Path(__file__).with_name("standins")
#: By branch: an older version, the one that Evenkeel declares, and two that are newer.
BRANCHES = {
    535: ("535.261.03", "535.274.02", "535.288.01", "535.297.05", "535.309.01"),
    570: ("570.195.03", "570.211.01", "570.220.02", "570.230.01"),
    580: ("580.159.03", "580.178.04", "580.190.02", "580.195.01"),
    590: ("590.44.01", "590.48.01", "590.55.02", "590.60.01"),
    595: ("595.45.04", "595.91.07", "595.99.01", "595.105.02"),
    610: ("610.43.02", "610.57.04", "610.64.01", "610.70.02"),
    615: ("615.71.09",),
    620: ("620.40.01",),
}
#: The first branch in the repositories for Debian and for Red Hat's kin, and all versions there.
OLDEST = 570
VERSIONS = tuple(version for number, versions in BRANCHES.items() if number >= OLDEST for version in versions)
#: Calls a function that kernels have not had since 5.6.
BROKEN_VERSION = "590.48.01"
#: From this branch on, names of fabric manager and its libraries have no branch in them.
UNBRANCHED = 580

_NO_DEVICE, _DRIVER_NOT_LOADED = 100, 9
_LIBRARY_FOLDER = "usr/lib/x86_64-linux-gnu"
#: Package to the libraries in it, each with the version in its soname and its functions.
_LIBRARIES: dict[str, dict[str, tuple[str, dict[str, int]]]] = {
    "libcuda1": {"libcuda": ("1", {"cuInit": _NO_DEVICE})},
    "libcudadebugger1": {"libcudadebugger": ("1", {})},
    "libnvcuvid1": {"libnvcuvid": ("1", {})},
    "libnvidia-cfg1": {"libnvidia-cfg": ("1", {})},
    "libnvidia-encode1": {"libnvidia-encode": ("1", {})},
    "libnvidia-fbc1": {"libnvidia-fbc": ("1", {})},
    "libnvidia-ml1": {"libnvidia-ml": ("1", {"nvmlInit_v2": _DRIVER_NOT_LOADED, "nvmlInit": _DRIVER_NOT_LOADED})},
    "libnvidia-nvvm4": {"libnvidia-nvvm": ("4", {})},
    "libnvidia-opticalflow1": {"libnvidia-opticalflow": ("1", {})},
    "libnvidia-ptxjitcompiler1": {"libnvidia-ptxjitcompiler": ("1", {})},
}


def branch(version: str) -> int:
    """Return the branch of a driver's version."""
    return int(version.partition(".")[0])


def standin(name: str, **values: str) -> str:
    """Return the text of the stand-in ``name`` with ``@NAME@`` replaced by the value of ``NAME``."""
    text = (STANDINS / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def module_source(version: str, *, open_: bool) -> dict[str, str | bytes]:
    """Return what DKMS builds the kernel module of: paths below ``/usr/src`` and contents."""
    broken = version == BROKEN_VERSION
    source = standin(
        "nvidia.c",
        VERSION=version,
        TITLE="Open Kernel Module for x86_64" if open_ else "x86_64 Kernel Module",
        LICENSE="Dual MIT/GPL" if open_ else "NVIDIA",
        INCLUDE="#include <linux/io.h>\n" if broken else "",
        START="\tiounmap(ioremap_nocache(0, PAGE_SIZE));\n" if broken else "",
    )
    folder = f"usr/src/nvidia-{version}"
    return {
        f"{folder}/nvidia.c": source,
        f"{folder}/Kbuild": standin("Kbuild"),
        f"{folder}/Makefile": standin("Makefile"),
        f"{folder}/dkms.conf": standin("dkms.conf", VERSION=version),
    }


def libraries(package: str, version: str, folder: str) -> tuple[dict[str, str | bytes], dict[str, str]]:
    """Return the files and links of one of the packages with libraries."""
    files: dict[str, str | bytes] = {}
    links = {}
    for stem, (number, functions) in _LIBRARIES[package].items():
        files[f"{folder}/{stem}.so.{version}"] = elf_library.write(f"{stem}.so.{number}", functions)
        links[f"{folder}/{stem}.so.{number}"] = f"{stem}.so.{version}"
    return files, links


def debian_packages(version: str) -> list[OsPackage]:
    """Return the packages that NVIDIA's repositories for Debian have of one version."""
    return [*_libraries(version), *_kernel(version), *_programs(version), *_metas(version), *_fabric(version)]


def _deb(
    name: str, version: str, summary: str, /, *depends: str, architecture: str = "amd64", **more: object
) -> OsPackage:
    source = {"source": "nvidia-graphics-drivers", **more}
    return OsPackage(name, f"{version}-1", architecture, summary, depends=depends, **source)  # type: ignore[arg-type]


def _same(version: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{name} (= {version}-1)" for name in names)


def _libraries(version: str) -> list[OsPackage]:
    needs = {
        "libcuda1": ("libnvidia-ptxjitcompiler1", "libnvidia-nvvm4"),
        "libnvidia-encode1": ("libnvcuvid1",),
    }
    made = []
    for name in _LIBRARIES:
        files, links = libraries(name, version, _LIBRARY_FOLDER)
        depends = _same(version, *needs.get(name, ()))
        scripts = {"triggers": "activate-noawait ldconfig\n"}
        made.append(_deb(name, version, "NVIDIA driver's library", *depends, files=files, links=links, scripts=scripts))
    return made


def _kernel(version: str) -> list[OsPackage]:
    dkms = {
        "postinst": standin("dkms.postinst", VERSION=version),
        "prerm": standin("dkms.prerm", VERSION=version),
    }
    firmware = {f"usr/lib/firmware/nvidia/{version}/gsp_ga10x.bin": f"stand-in {version}\n"}
    options = {"etc/modprobe.d/nvidia.conf": "options nvidia NVreg_PreserveVideoMemoryAllocations=1\n"}
    support = _same(version, "nvidia-kernel-support", "firmware-nvidia-gsp", "nvidia-modprobe")
    made = [
        _deb("firmware-nvidia-gsp", version, "NVIDIA GSP firmware", files=firmware, section="non-free-firmware/kernel"),
        _deb("nvidia-kernel-common", version, "NVIDIA kernel module's common files"),
        _deb(
            "nvidia-kernel-support",
            version,
            "NVIDIA kernel module's support files",
            *_same(version, "nvidia-kernel-common"),
            files=options,
        ),
        _deb(
            "nvidia-modprobe",
            version,
            "NVIDIA kernel module's loader",
            files={"usr/bin/nvidia-modprobe": standin("refuse")},
            source="nvidia-modprobe",
        ),
    ]
    for name, other, open_ in (
        ("nvidia-kernel-open-dkms", "nvidia-kernel-dkms", True),
        ("nvidia-kernel-dkms", "nvidia-kernel-open-dkms", False),
    ):
        made.append(
            _deb(
                name,
                version,
                f"NVIDIA kernel module's source, {'open' if open_ else 'proprietary'}",
                "dkms",
                *support,
                section="non-free/kernel",
                provides=(f"nvidia-kernel-{version}",),
                conflicts=(other, f"nvidia-kernel-{version}"),
                files=module_source(version, open_=open_),
                scripts=dkms,
            )
        )
    return made


def _programs(version: str) -> list[OsPackage]:
    kernel = f"nvidia-kernel-dkms (= {version}-1) | nvidia-kernel-open-dkms (= {version}-1)"
    daemon = {name: standin(f"nvidia-persistenced.{name}") for name in ("postinst", "prerm", "postrm")}
    return [
        _deb(
            "nvidia-persistenced",
            version,
            "NVIDIA persistence daemon",
            *_same(version, "libnvidia-cfg1"),
            files={
                "usr/bin/nvidia-persistenced": standin("nvidia-persistenced"),
                "usr/lib/systemd/system/nvidia-persistenced.service": standin("nvidia-persistenced.service"),
            },
            scripts=daemon,
            section="non-free/admin",
            source="nvidia-persistenced",
        ),
        _deb(
            "nvidia-driver-cuda",
            version,
            "NVIDIA driver's CUDA part",
            kernel,
            *_same(version, *_LIBRARIES.keys() - {"libnvidia-fbc1"}, "nvidia-opencl-icd", "nvidia-persistenced"),
            files={"usr/bin/nvidia-smi": standin("nvidia-smi", VERSION=version)},
        ),
        _deb(
            "nvidia-opencl-icd",
            version,
            "NVIDIA driver's OpenCL part",
            files={"etc/OpenCL/vendors/nvidia.icd": "libnvidia-opencl.so.1\n"},
        ),
        _deb("nvidia-driver-libs", version, "NVIDIA driver's graphics libraries", *_same(version, "libnvidia-fbc1")),
        _deb("nvidia-driver", version, "NVIDIA driver's graphics part", kernel, *_same(version, "nvidia-driver-libs")),
        _deb("nvidia-settings", version, "NVIDIA driver's settings", source="nvidia-settings"),
        _deb("nvidia-xconfig", version, "NVIDIA driver's X configuration", source="nvidia-xconfig"),
    ]


def _metas(version: str) -> list[OsPackage]:
    both = ("nvidia-driver", "nvidia-driver-cuda", "nvidia-settings", "nvidia-xconfig")
    made = [
        _deb(
            "nvidia-open", version, "NVIDIA driver, open", *_same(version, *both, "nvidia-kernel-open-dkms"), source=""
        ),
        _deb("cuda-drivers", version, "NVIDIA driver", *_same(version, *both, "nvidia-kernel-dkms"), source=""),
    ]
    if branch(version) <= UNBRANCHED:  # they name a branch, and let a later one in
        for name in ("nvidia-open", "cuda-drivers"):
            named = f"{name}-{branch(version)}"
            made.append(_deb(named, version, f"NVIDIA driver, {name}", f"{name} (>= {version}-1)", source=name))
    return made


def _fabric(version: str) -> list[OsPackage]:
    suffix = "" if branch(version) >= UNBRANCHED else f"-{branch(version)}"
    return [
        _deb(
            f"nvidia-fabricmanager{suffix}",
            version,
            "NVIDIA fabric manager",
            files={
                "usr/bin/nv-fabricmanager": standin("nv-fabricmanager", VERSION=version),
                "usr/lib/systemd/system/nvidia-fabricmanager.service": standin("nvidia-fabricmanager.service"),
                "usr/share/nvidia/nvswitch/fabricmanager.cfg": "LOG_LEVEL=4\n",
            },
            source="fabricmanager",
        ),
        _deb(f"libnvidia-nscq{suffix}", version, "NVIDIA NSCQ library", source="libnvidia-nscq"),
        _deb(f"libnvsdm{suffix}", version, "NVIDIA NVSDM library", source="libnvsdm"),
        _deb(
            f"nvidia-imex{suffix}",
            version,
            "NVIDIA IMEX service",
            files={
                "usr/bin/nvidia-imex": standin("refuse"),
                "usr/lib/systemd/system/nvidia-imex.service": standin("nvidia-imex.service"),
                "etc/nvidia-imex/config.cfg": "LOG_LEVEL=4\n",
            },
            source="nvidia-imex",
        ),
    ]


def pinning_packages() -> list[OsPackage]:
    """Return the packages that keep apt at a branch, or at a version."""
    branches = {str(branch(version)) for version in VERSIONS if branch(version) >= UNBRANCHED}
    versions = {version for version in VERSIONS if branch(version) >= UNBRANCHED}
    return [_pinning(name) for name in sorted(branches | versions)]


def _pinning(name: str) -> OsPackage:
    pattern = f"{name}-*" if "." in name else f"{name}.*"
    return OsPackage(
        f"nvidia-driver-pinning-{name}",
        f"{name}-1",
        "all",
        f"NVIDIA driver, kept at {name}",
        section="non-free/admin",
        provides=("nvidia-driver-pinning",),
        conflicts=("nvidia-driver-pinning",),
        replaces=("nvidia-driver-pinning",),
        files={
            f"etc/apt/preferences.d/nvidia-driver-pinning-{name}": (
                "Package: src:*nvidia*:any src:cuda-drivers:any src:fabricmanager:any src:libnvsdm:any\n"
                f"Pin: version {pattern}\nPin-Priority: 1000\n"
            )
        },
    )


def nvlsm() -> OsPackage:
    """Return the subnet manager of NVLink 5, which has a version of its own."""
    return OsPackage("nvlsm", "2025.10.11-1", "amd64", "NVIDIA NVLink subnet manager")
