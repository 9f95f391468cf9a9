# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's container toolkit as stand-ins: the packages of each version, for both families of distributions."""

from __future__ import annotations

from lab.upstream.nvidia import elf_library
from lab.upstream.nvidia.driver import standin
from lab.upstream.os_package import OsPackage

VERSIONS = ("1.18.1", "1.19.1", "1.20.1")
_UNITS = ("nvidia-cdi-refresh.service", "nvidia-cdi-refresh.path")


def debian_packages(version: str) -> list[OsPackage]:
    """Return the packages that the APT repository has of one version."""
    whole = f"{version}-1"
    files = _files(version, "usr/lib/x86_64-linux-gnu")
    scripts = {name: standin(f"nvidia-cdi-refresh.{name}") for name in ("postinst", "prerm")}
    trigger = {"triggers": "activate-noawait ldconfig\n"}
    base, library, tools = "nvidia-container-toolkit-base", "libnvidia-container1", "libnvidia-container-tools"
    depends = {
        "nvidia-container-toolkit": (f"{base} (= {whole})", f"{tools} (>= {whole})", f"{tools} (<< 2.0.0)"),
        tools: (f"{library} (>= {whole})",),
    }
    return [
        OsPackage(
            name,
            whole,
            "amd64",
            "NVIDIA Container Toolkit",
            section="utils",
            depends=depends.get(name, ()),
            files=content,
            links=_links("usr/lib/x86_64-linux-gnu", version) if name == library else {},
            scripts={base: scripts, library: trigger}.get(name, {}),
        )
        for name, content in files.items()
    ]


def rpm_packages(version: str) -> list[OsPackage]:
    """Return the packages that the RPM repository has of one version."""
    whole = f"{version}-1"
    base, library, tools = "nvidia-container-toolkit-base", "libnvidia-container1", "libnvidia-container-tools"
    depends = {
        "nvidia-container-toolkit": (f"{base} = {whole}", f"{tools} >= {whole}", f"{tools} < 2.0.0"),
        tools: (f"{library} >= {whole}",),
    }
    scripts = {"post": standin("nvidia-cdi-refresh.postinst"), "preun": standin("nvidia-cdi-refresh.prerm")}
    return [
        OsPackage(
            name,
            whole,
            "x86_64",
            "NVIDIA Container Toolkit",
            depends=depends.get(name, ()),
            files=content,
            links=_links("usr/lib64", version) if name == library else {},
            scripts=scripts if name == base else {},
        )
        for name, content in _files(version, "usr/lib64").items()
    ]


def _files(version: str, library_folder: str) -> dict[str, dict[str, str | bytes]]:
    refuse = standin("refuse")
    units = {f"etc/systemd/system/{name}": standin(name) for name in _UNITS}
    library = elf_library.write("libnvidia-container.so.1", {})
    return {
        "nvidia-container-toolkit": {"usr/bin/nvidia-container-runtime-hook": refuse},
        "nvidia-container-toolkit-base": {
            "usr/bin/nvidia-ctk": standin("nvidia-ctk", VERSION=version),
            "usr/bin/nvidia-cdi-hook": refuse,
            "usr/bin/nvidia-container-runtime": refuse,
            **units,
        },
        "libnvidia-container-tools": {"usr/bin/nvidia-container-cli": refuse},
        "libnvidia-container1": {f"{library_folder}/libnvidia-container.so.{version}": library},
    }


def _links(library_folder: str, version: str) -> dict[str, str]:
    return {f"{library_folder}/libnvidia-container.so.1": f"libnvidia-container.so.{version}"}
