# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The installed Linux kernels, each with its NVIDIA modules as modinfo describes them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

FOLDER = "/lib/modules"
RUNNING = "/proc/sys/kernel/osrelease"
_SECONDS = 300
#: Where modinfo is, which the PATH of an ordinary user may lack.
_PROGRAMS = "/usr/sbin:/sbin"
#: Where a module may be; depmod searches in this order.
_PLACES = ("updates", "extra", "weak-updates", "kernel")
#: Debian's own packages name the file nvidia-current or nvidia-current-open; modprobe knows either as nvidia.
_NAMES = tuple(
    name + suffix
    for name in ("nvidia.ko", "nvidia-current.ko", "nvidia-current-open.ko")
    for suffix in ("", ".xz", ".zst", ".gz")
)
#: modinfo -0 separates the name of the file by a colon, and all other fields by an equals sign.
_ENTRY = re.compile(r"(\w+)(?::\s*|=)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Module:
    """An NVIDIA kernel module, as its file describes it; the module ``gpu_facts`` documents the fields."""

    version: str
    flavour: str
    path: str = ""
    vermagic_ok: bool = True
    signed: bool = False
    signer: str = ""


@dataclass(frozen=True)
class Kernel:
    """An installed kernel; the module ``gpu_facts`` documents the fields. The first of ``modules`` is loaded."""

    release: str
    running: bool = False
    bootable: bool = True
    headers: bool = True
    modules: tuple[Module, ...] = ()

    @property
    def module(self) -> Module | None:
        """The module that the kernel loads, None where it has none."""
        return self.modules[0] if self.modules else None

    def has(self, version: str, flavour: str) -> bool:
        """Return whether the kernel loads a module of this version and flavour; an empty version is any."""
        return bool(
            self.module
            and self.module.version
            and version in ("", self.module.version)
            and flavour == self.module.flavour
        )


def read(system: Sysroot) -> list[Kernel]:
    """Return the kernels of a system; without modinfo, none of their modules is found.

    Raises
    ------
    EvenkeelError
        modinfo did not end in time.
    """
    running = system.text(RUNNING)
    releases = [name for name in system.names(FOLDER) if _bootable(system, name) or system.names(_folder(name))]
    files = {release: _files(system, release) for release in releases}
    described = describe(system, [path for paths in files.values() for path in paths])
    return [
        Kernel(
            release=release,
            running=release == running,
            bootable=_bootable(system, release),
            headers=system.exists(_folder(release) + "/build/include"),
            modules=tuple(module(path, release, described[path]) for path in paths if path in described),
        )
        for release, paths in files.items()
    ]


def images(release: str) -> tuple[str, str]:
    """Return where the image of a kernel may be, which makes it one that can be booted."""
    return "/boot/vmlinuz-" + release, _folder(release) + "/vmlinuz"


def folders(kernels: Iterable[Kernel]) -> list[str]:
    """Return the folders of the modules of kernels."""
    return [_folder(kernel.release) for kernel in kernels]


def bootable(system: Sysroot) -> list[Kernel]:
    """Return the kernels that a boot loader may choose; see ``read``."""
    return [kernel for kernel in read(system) if kernel.bootable]


def without_module(kernels: Iterable[Kernel], version: str, flavour: str) -> list[Kernel]:
    """Return the kernels that load no module of this version and flavour; an empty version is any."""
    return [kernel for kernel in kernels if not kernel.has(version, flavour)]


def unsigned(kernels: Iterable[Kernel], version: str) -> list[Kernel]:
    """Return the kernels that load an unsigned module of this version; an empty version is any."""
    return [
        kernel
        for kernel in kernels
        if kernel.module and not kernel.module.signed and version in ("", kernel.module.version)
    ]


def loaded_by_running(kernels: Iterable[Kernel]) -> Module | None:
    """Return the module that the running kernel loads, None where it has none."""
    return next((kernel.module for kernel in kernels if kernel.running), None)


def describe(system: Sysroot, paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what modinfo prints about files, by path."""
    program = shutil.which("modinfo", path=":".join((os.environ.get("PATH", os.defpath), _PROGRAMS)))
    if not paths or program is None:
        return {}
    outside = {path: system.outside(system.resolve(path)) for path in paths}
    printed = parse(command.run([program, "-0", *outside.values()], timeout=_SECONDS).output)
    return {path: printed[file] for path, file in outside.items() if file in printed}


def parse(output: str) -> dict[str, dict[str, str]]:
    """Read the output of ``modinfo -0`` on one or more files: the first value of each field, by file."""
    found: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for entry in output.split("\0"):
        match = _ENTRY.match(entry)
        if match and match.group(1) == "filename":
            fields = found.setdefault(match.group(2), {})
        elif match:
            fields.setdefault(match.group(1), match.group(2).strip())
    return found


def module(path: str, release: str, fields: Mapping[str, str]) -> Module:
    """Return a module from the fields that modinfo prints.

    One below ``weak-updates`` was built for another kernel with the same interface, which is correct there.
    """
    magic = fields.get("vermagic", "").split()
    return Module(
        version=fields.get("version", ""),
        flavour=flavour_of(fields.get("license", "")),
        path=path,
        vermagic_ok="/weak-updates/" in path or magic[:1] == [release],
        signed=bool(fields.get("signer") or fields.get("sig_id")),
        signer=fields.get("signer", ""),
    )


def flavour_of(licence: str) -> str:
    """Return the flavour of a module by the licence that it declares."""
    return "" if not licence else "proprietary" if licence == "NVIDIA" else "open"


def _folder(release: str) -> str:
    return "%s/%s" % (FOLDER, release)


def _bootable(system: Sysroot, release: str) -> bool:
    return any(map(system.exists, images(release)))


def _files(system: Sysroot, release: str) -> list[str]:
    folder = _folder(release)
    outside = system.outside(system.resolve(folder))
    return [os.path.join(folder, os.path.relpath(path, outside)) for path in _module_files(outside)]


def _module_files(folder: str) -> Iterator[str]:
    for place in _PLACES:
        for directory, _unused, names in os.walk(os.path.join(folder, place)):
            for name in _NAMES:
                if name in names:
                    yield os.path.join(directory, name)
