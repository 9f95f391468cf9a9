# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Every kernel that is installed, with NVIDIA's modules for it as modinfo describes them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels as kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

FOLDER = "/lib/modules"
RUNNING = "/proc/sys/kernel/osrelease"
_SECONDS = 30
#: Where modinfo is, which the PATH of an ordinary user may lack.
_PROGRAMS = "/usr/sbin:/sbin"
#: Of one answer the file has a colon, and fields of it have an equals sign.
_ENTRY = re.compile(r"(\w+)(?::\s*|=)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Module:
    """A module named nvidia, as its file describes it; the module ``gpu_facts`` documents the fields."""

    version: str
    flavour: str
    path: str
    vermagic_ok: bool
    signed: bool
    signer: str


@dataclass(frozen=True)
class InstalledKernel:
    """A kernel with modules on disk; of two modules of one name the first is loaded."""

    release: str
    running: bool
    bootable: bool
    headers: bool
    modules: tuple[Module, ...]


def read(system: Sysroot) -> list[InstalledKernel]:
    """Return the kernels of a system; without kmod on it their modules are not seen."""
    running = system.text(RUNNING)
    releases = [name for name in system.names(FOLDER) if system.names("%s/%s" % (FOLDER, name))]
    files = {release: _files(system, release) for release in releases}
    described = describe(system, [path for paths in files.values() for path in paths])
    return [
        InstalledKernel(
            release=release,
            running=release == running,
            bootable=any(map(system.exists, ("/boot/vmlinuz-" + release, "%s/%s/vmlinuz" % (FOLDER, release)))),
            headers=system.exists("%s/%s/build" % (FOLDER, release)),
            modules=tuple(module(path, release, described[path]) for path in paths if path in described),
        )
        for release, paths in files.items()
    ]


def describe(system: Sysroot, paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what modinfo says of files, by path."""
    if not paths:
        return {}
    outside = {path: system.outside(system.resolve(path)) for path in paths}
    try:
        extra = {"PATH": ":".join((os.environ.get("PATH", os.defpath), _PROGRAMS))}
        done = command.run(["modinfo", "-0", *outside.values()], timeout=_SECONDS, extra=extra)
    except EvenkeelError:
        return {}
    told = parse(done.output)
    return {path: told[file] for path, file in outside.items() if file in told}


def parse(said: str) -> dict[str, dict[str, str]]:
    """Read what ``modinfo -0`` says of one or more files: the first value of each field, by file."""
    found: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for entry in said.split("\0"):
        told = _ENTRY.match(entry)
        if told and told.group(1) == "filename":
            fields = found.setdefault(told.group(2), {})
        elif told:
            fields.setdefault(told.group(1), told.group(2).strip())
    return found


def module(path: str, release: str, fields: Mapping[str, str]) -> Module:
    """Return a module by what modinfo says of it.

    One below ``weak-updates`` was built for another kernel of the same interface, and is well.
    """
    magic = fields.get("vermagic", "").split()
    return Module(
        version=fields.get("version", ""),
        flavour=kernels.flavour_of(fields.get("license", "")),
        path=path,
        vermagic_ok="/weak-updates/" in path or magic[:1] == [release],
        signed=bool(fields.get("signer") or fields.get("sig_id")),
        signer=fields.get("signer", ""),
    )


def _files(system: Sysroot, release: str) -> list[str]:
    folder = "%s/%s" % (FOLDER, release)
    outside = system.outside(system.resolve(folder))
    return [os.path.join(folder, os.path.relpath(path, outside)) for path in kernels.module_files(outside)]
