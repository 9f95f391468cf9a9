# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What another driver has left on a node: what NVIDIA's installer has put there, and modules that DKMS would build.

Nothing here is a package's: what a package has brought goes with it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, linux_kernels, runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners


@dataclass(frozen=True)
class Registration:
    """A module that DKMS knows and no package has brought; ``files`` are those that it has put into kernels."""

    name: str
    version: str
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "%s/%s" % (self.name, self.version)


@dataclass(frozen=True)
class Leftovers:
    """What is left on a node."""

    installer: runfile.Found = field(default_factory=runfile.Found)
    registrations: tuple[Registration, ...] = ()

    def named(self) -> list[str]:
        """Return it in words."""
        can = "remove_leftovers (nvidia_driver_remove_leftovers of the role) removes it"
        words = [
            "the driver %s is registered with DKMS (%s), and no package owns it: it is never built; %s"
            % (one.version, one, can)
            for one in self.registrations
        ]
        if self.installer.uninstaller and not self.installer.libraries:
            words.append(
                "%s is left of an earlier driver: don't run it, it would remove files of packages; %s"
                % (runfile.UNINSTALLER, can)
            )
        return words

    def lines(self) -> list[str]:
        """Return it as a difference shows it, a line for each thing that would be removed."""
        found = [*self.installer.libraries, *[runfile.UNINSTALLER] * self.installer.uninstaller]
        for one in self.registrations:
            found += ["dkms: %s" % one, *one.files]
        return found


def find(
    system: Sysroot,
    manager: str,
    version: str,
    *,
    is_built: bool,
    by_installer: bool,
    packaged: Collection[str] = (),
) -> Leftovers:
    """Return what another driver than the declared one has left.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``.
    version
        The declared driver's.
    is_built
        Whether DKMS builds that one; else no registration is its own.
    by_installer
        Whether that one comes from NVIDIA's installer, which takes away what it has installed earlier.
    packaged
        The versions of installed packages.
    """
    own = {version, runfile.installed()} if by_installer else {version} if is_built else set()
    others = [(name, of) for name, of in dkms.registered() if of not in own]
    confs = {one: os.path.join(dkms.source_of(*one), "dkms.conf") for one in others}
    of_packages = owners.owned(list(confs.values()), manager)
    nobodys = [one for one in others if confs[one] not in of_packages]
    return Leftovers(
        installer=runfile.Found() if by_installer else runfile.find(manager, packaged=packaged),
        registrations=tuple(Registration(*one, _modules(system, manager, one[1])) for one in nobodys),
    )


def remove(found: Leftovers, manager: str) -> None:
    """Remove what is left.

    Raises
    ------
    EvenkeelError
        NVIDIA's uninstaller failed.
    """
    if found.installer != runfile.Found():
        runfile.remove(manager)
    for one in found.registrations:
        dkms.forget(one.name, one.version)
        _unlink_modules(one.files)


def clear_kernels(found: Leftovers) -> None:
    """Take modules away that DKMS would not replace by those of an older version, also where their source is gone."""
    others = {(one.name, one.version): one for one in found.registrations}
    for name, version, release in dkms.active():
        if (name, version) in others:
            dkms.uninstall(name, version, release)
    for one in found.registrations:
        _unlink_modules(one.files)


def in_the_way(kernel: Kernel, version: str, flavour: str, manager: str) -> tuple[str, ...]:
    """Return the modules that a kernel loads instead of the right one that it has too, and that no package owns."""
    right = [replace(kernel, modules=(module,)).has(version, flavour) for module in kernel.modules]
    paths = [module.path for module in kernel.modules[: right.index(True)]] if True in right else []
    of_packages = owners.owned(paths, manager)
    return tuple(path for path in paths if path not in of_packages)


def take_away(files: Sequence[str], release: str, version: str) -> None:
    """Take modules away from a kernel, also in DKMS's eyes where it has put them there."""
    for name, of, kernel in dkms.active():
        if kernel == release and of != version:
            dkms.uninstall(name, of, release)
    _unlink_modules(files)


def _unlink_modules(files: Sequence[str]) -> None:
    for path in filter(os.path.exists, files):
        os.unlink(path)
    for release in sorted({path.split(os.sep)[3] for path in files}):
        command.run(["depmod", release])


def _modules(system: Sysroot, manager: str, version: str) -> tuple[str, ...]:
    """Return the driver's modules of a version that no package owns, of all kernels."""
    folders: Sequence[str] = [
        os.path.dirname(module.path)
        for kernel in linux_kernels.read(system)
        for module in kernel.modules
        if module.version == version
    ]
    paths = [path for folder in folders for path in sorted(glob.glob(os.path.join(folder, "nvidia*.ko*")))]
    described = linux_kernels.describe(system, paths)
    of_version = [path for path in paths if described.get(path, {}).get("version") == version]
    of_packages = owners.owned(of_version, manager)
    return tuple(path for path in dict.fromkeys(of_version) if path not in of_packages)
