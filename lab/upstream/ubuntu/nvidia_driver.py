# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver as NVIDIA packages it for Ubuntu.

Up to branch 580 the packages' names carry the branch, from 590 on they don't. Some dependencies are exact, others let a
later version in: so a list of a few names at one version does not resolve where the repository has a later one.

Sources: the packaging templates of Ubuntu's driver (nvidia-graphics-drivers, nvidia-dkms-flavour*.install.in), the
index of Ubuntu's packages, and public records of what broke between 580.173 and 580.178.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.upstream.nvidia.driver import UNBRANCHED, branch, libraries, module_source, standin
from lab.upstream.os_package import OsPackage

#: The first branch whose packages have no branch in their names.
PLAIN_NAMES = 590
FLAVOURS = ("", "-open")

LIBRARY_FOLDER = "usr/lib/x86_64-linux-gnu"
#: By package: what the same libraries are called in Debian's packages.
LIBRARIES = {
    "libnvidia-compute": (
        "libcuda1",
        "libcudadebugger1",
        "libnvidia-ml1",
        "libnvidia-nvvm4",
        "libnvidia-ptxjitcompiler1",
    ),
    "libnvidia-decode": ("libnvcuvid1",),
    "libnvidia-encode": ("libnvidia-encode1", "libnvidia-opticalflow1"),
    "libnvidia-fbc1": ("libnvidia-fbc1",),
    "libnvidia-cfg1": ("libnvidia-cfg1",),
}
#: What a machine with graphics has, beside its kernel module.
EVERYTHING = (
    *("libnvidia-gl", "libnvidia-compute", "libnvidia-decode", "libnvidia-encode", "libnvidia-extra", "libnvidia-fbc1"),
    *("nvidia-utils", "nvidia-compute-utils", "xserver-xorg-video-nvidia", "libnvidia-cfg1"),
)
#: By package: those of its own version that it needs.
_SAME_VERSION = {
    "libnvidia-gpucomp": (),
    "libnvidia-compute": ("libnvidia-gpucomp",),
    "libnvidia-decode": ("libnvidia-compute",),
    "libnvidia-encode": ("libnvidia-decode",),
    "libnvidia-fbc1": ("libnvidia-decode",),
    "libnvidia-extra": (),
    "libnvidia-cfg1": (),
    "libnvidia-common": (),
    "libnvidia-gl": ("libnvidia-gpucomp", "libnvidia-compute", "libnvidia-common"),
    "nvidia-firmware": (),
    "nvidia-kernel-common": ("nvidia-firmware",),
    "nvidia-utils": ("libnvidia-compute",),
    "nvidia-compute-utils": ("libnvidia-compute",),
    "xserver-xorg-video-nvidia": ("libnvidia-cfg1", "libnvidia-gl"),
}
_TRIGGER = {"triggers": "activate-noawait ldconfig\n"}


def packages(version: str) -> list[OsPackage]:
    """Return the packages of one version."""
    return [*_userspace(version), *_kernel(version), *_metas(version), *_common(version), *_fabric(version)]


def archive_firmware(version: str) -> tuple[str, ...]:
    """Return the names of the packages in Ubuntu's archive that have the same files of firmware."""
    return tuple(f"nvidia-firmware-{branch(version)}{server}-{version}" for server in ("", "-server"))


def suffix(version: str) -> str:
    """Return what the packages' names carry of the branch."""
    return "" if branch(version) >= PLAIN_NAMES else f"-{branch(version)}"


def contents(package: str, version: str) -> tuple[dict[str, str | bytes], dict[str, str]]:
    """Return the files and links of a package, which has neither branch nor flavour in its name."""
    if package == "nvidia-utils":
        return {"usr/bin/nvidia-smi": standin("nvidia-smi", VERSION=version)}, {}
    if package == "nvidia-firmware":
        return {f"usr/lib/firmware/nvidia/{version}/gsp_ga10x.bin": f"stand-in {version}\n"}, {}
    files: dict[str, str | bytes] = {}
    links: dict[str, str] = {}
    for part in LIBRARIES.get(package, ()):
        own_files, own_links = libraries(part, version, LIBRARY_FOLDER)
        files |= own_files
        links |= own_links
    return files, links


def daemon() -> dict[str, str | bytes]:
    """Return the files of the persistence daemon."""
    return {
        "usr/bin/nvidia-persistenced": standin("nvidia-persistenced"),
        "usr/lib/systemd/system/nvidia-persistenced.service": standin("nvidia-persistenced.service"),
    }


def daemon_scripts() -> dict[str, str]:
    """Return the scripts of the package that has the persistence daemon."""
    return {name: standin(f"nvidia-persistenced.{name}") for name in ("postinst", "prerm", "postrm")}


def triggers(package: str) -> dict[str, str]:
    """Return the script that a package with libraries has."""
    return _TRIGGER if package in LIBRARIES else {}


def sources(version: str, flavour: str) -> tuple[dict[str, str | bytes], dict[str, str | bytes]]:
    """Return what DKMS needs: the files of ``nvidia-dkms-*``, and those of ``nvidia-kernel-source-*``."""
    files = module_source(version, open_=flavour == "-open")
    conf = {path: value for path, value in files.items() if path.endswith("/dkms.conf")}
    return conf, {path: value for path, value in files.items() if path not in conf}


def dkms_scripts(version: str) -> dict[str, str]:
    """Return the scripts of ``nvidia-dkms-*``."""
    return {name: standin(f"dkms.{name}", VERSION=version) for name in ("postinst", "prerm")}


def _deb(
    name: str,
    version: str,
    summary: str,
    /,
    *depends: str,
    stands_for: str = "",
    also_provides: tuple[str, ...] = (),
    takes_from: tuple[str, ...] = (),
    architecture: str = "amd64",
    revision: str = "1ubuntu1",
    source: str = "",
    files: Mapping[str, str | bytes] | None = None,
    links: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
) -> OsPackage:
    """Return a package, which may be one of several that ``stands_for`` one virtual name, of which one is installed."""
    virtual = (stands_for,) if stands_for else ()
    return OsPackage(
        name,
        f"{version}-{revision}",
        architecture,
        summary,
        depends=depends,
        provides=(*virtual, *also_provides),
        conflicts=(*virtual, *takes_from),
        replaces=(*virtual, *takes_from),
        source=source or f"nvidia-graphics-drivers{suffix(version)}",
        files=files or {},
        links=links or {},
        scripts=scripts or {},
    )


def _whole(version: str) -> str:
    return f"{version}-1ubuntu1"


def _exact(version: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{name}{suffix(version)} (= {_whole(version)})" for name in names)


def _kernel_common(version: str) -> str:
    """Return the dependency on the kernel module's common files, which names their version."""
    named = f"nvidia-kernel-common{suffix(version)}-{version}"
    return named if suffix(version) else f"nvidia-kernel-common (= {_whole(version)})"


def _userspace(version: str) -> list[OsPackage]:
    own, whole = suffix(version), _whole(version)
    persistenced = f"nvidia-persistenced (>= {whole})"
    decode = f"libnvidia-decode{own} (>= {version if own else whole})"
    loose = {
        "libnvidia-compute": (decode, persistenced, _kernel_common(version)),
        "nvidia-kernel-common": (f"nvidia-modprobe (>= {whole})",),
        "nvidia-compute-utils": (persistenced,) if own else (),
    }
    versioned = ("nvidia-firmware", "nvidia-kernel-common")
    made = []
    for name, same in _SAME_VERSION.items():
        files, links = contents(name, version)
        stands_for = name if own and name not in {"libnvidia-gpucomp", "nvidia-firmware"} else ""
        made.append(
            _deb(
                f"{name}{own}",
                version,
                "NVIDIA driver",
                *_exact(version, *(same if own or name != "libnvidia-fbc1" else ())),
                *loose.get(name, ()),
                stands_for=stands_for,
                also_provides=(f"{name}{own}-{version}",) if own and name in versioned else (),
                takes_from=archive_firmware(version) if name == "nvidia-firmware" else (),
                architecture="all" if name == "libnvidia-common" else "amd64",
                files=files,
                links=links,
                scripts=triggers(name),
            )
        )
    return made


def _kernel(version: str) -> list[OsPackage]:
    own, made = suffix(version), []
    for flavour in FLAVOURS:
        conf, rest = sources(version, flavour)
        source = f"nvidia-kernel-source{own}{flavour}"
        made += [
            _deb(
                source,
                version,
                "NVIDIA kernel module's source",
                stands_for="nvidia-kernel-source",
                files=rest,
            ),
            _deb(
                f"nvidia-dkms{own}{flavour}",
                version,
                "NVIDIA kernel module's build",
                f"{source} (= {_whole(version)})",
                _kernel_common(version),
                "dkms",
                stands_for="nvidia-dkms-kernel",
                files=conf,
                scripts=dkms_scripts(version),
            ),
        ]
    return made


def _metas(version: str) -> list[OsPackage]:
    own, made = suffix(version), []
    for flavour in FLAVOURS:
        driver = f"nvidia-driver{own}{flavour}"
        meta = f"{'nvidia-open' if flavour else 'cuda-drivers'}{own}"
        made += [
            _deb(
                driver,
                version,
                "NVIDIA driver with graphics",
                *_exact(version, *EVERYTHING),
                f"nvidia-dkms{own}{flavour} (>= {version})",
                stands_for="nvidia-driver-binary",
            ),
            _deb(meta, version, "NVIDIA driver", f"{driver} (>= {version})", source=meta.removesuffix(own)),
        ]
    return made


def _common(version: str) -> list[OsPackage]:
    """Return the packages that have the same names in every branch."""
    return [
        _deb(
            "nvidia-persistenced",
            version,
            "NVIDIA persistence daemon",
            source="nvidia-persistenced",
            files=daemon(),
            scripts=daemon_scripts(),
        ),
        _deb(
            "nvidia-modprobe",
            version,
            "NVIDIA kernel module's loader",
            source="nvidia-modprobe",
            files={"usr/bin/nvidia-modprobe": standin("refuse")},
        ),
        _deb("nvidia-settings", version, "NVIDIA driver's settings", source="nvidia-settings"),
    ]


def _fabric(version: str) -> list[OsPackage]:
    """Return what machines with NVSwitch have, with a revision and sources of its own."""
    own = "" if branch(version) >= UNBRANCHED else f"-{branch(version)}"
    manager: dict[str, str | bytes] = {
        "usr/bin/nv-fabricmanager": standin("nv-fabricmanager", VERSION=version),
        "usr/lib/systemd/system/nvidia-fabricmanager.service": standin("nvidia-fabricmanager.service"),
        "usr/share/nvidia/nvswitch/fabricmanager.cfg": "LOG_LEVEL=4\n",
    }
    imex: dict[str, str | bytes] = {
        "usr/bin/nvidia-imex": standin("refuse"),
        "usr/lib/systemd/system/nvidia-imex.service": standin("nvidia-imex.service"),
        "etc/nvidia-imex/config.cfg": "LOG_LEVEL=4\n",
    }
    wanted: dict[str, tuple[str, dict[str, str | bytes]]] = {
        "nvidia-fabricmanager": ("fabricmanager", manager),
        "libnvidia-nscq": ("libnvidia-nscq", {}),
        "libnvsdm": ("libnvsdm", {}),
        "nvidia-imex": ("nvidia-imex", imex),
    }
    return [
        _deb(f"{name}{own}", version, "NVIDIA NVSwitch", revision="1", source=source, files=files)
        for name, (source, files) in wanted.items()
    ]
