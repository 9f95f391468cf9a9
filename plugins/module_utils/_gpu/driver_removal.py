# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A node without the driver that Evenkeel has brought. What is loaded stays so until the node is rebooted."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cuda_repository,
    driver_request,
    initramfs,
    linux_kernels,
    loaded_driver,
    reboot,
    runfile,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver import BY, Outcome
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import DRACUT, MODPROBE
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.initramfs import Image, Tool
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import removal, transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.removal import Removal

_UNITS = ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")
#: A node may have no other kernel than the one that came with the driver.
_KERNELS = dict.fromkeys(
    (
        *("linux-image-*", "linux-modules-[0-9]*", "linux-modules-extra-*"),
        *("kernel", "kernel-core", "kernel-modules", "kernel-modules-*"),
    ),
    "it is of a kernel",
)


@dataclass
class Work:
    """What has been done so far, or would be in check mode."""

    check_mode: bool
    recorded: Collection[Thing]
    manager: Manager
    diffs: list[Mapping[str, str]] = field(default_factory=list)
    done: list[Thing] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Thing]:
        """Return what is recorded of a kind."""
        return [thing for thing in self.recorded if thing.kind == kind]

    @property
    def of_our_installer(self) -> list[Thing]:
        """What is recorded of NVIDIA's installer, where we have run it."""
        return [thing for thing in self.of_kind("file") if thing.name == runfile.UNINSTALLER]

    def stays(self, packages: Collection[str]) -> bool:
        """Return whether a driver stays: in packages that stay, or one of NVIDIA's installer that others have run."""
        return bool(packages or (runfile.installed() and not self.of_our_installer))

    def note(self, what: str, before: str, after: str = "") -> None:
        """Note a change."""
        header = {"before_header": what, "after_header": what}
        self.diffs.append({**header, "before": before + "\n", "after": after and after + "\n"})


def remove(*, container: bool, lock_timeout: int, check_mode: bool) -> Outcome:
    """Take away what was made for the driver, or return what would go.

    Parameters
    ----------
    container
        Whether the node is a container, whose kernel is its host's.

    Raises
    ------
    EvenkeelError
        A step failed; the next run goes on from there.
    """
    work = Work(check_mode, made.read(BY), package_set.manager_of_node(lock_timeout=lock_timeout))
    tool, kernels = None if container else initramfs.tool(), linux_kernels.read(Sysroot())
    planned = removal.remove([BY], lock_timeout=lock_timeout, check_mode=True, keep=_KERNELS)
    staying = driver_request.driver_packages(transaction.after(work.manager.known(), planned.plan.steps))
    if planned.unknown or not work.stays(staying):
        _require_room(tool, kernels)
        _disable_services(work)
    _undo_installer(work)
    gone = planned
    if not check_mode:
        gone = removal.remove([BY], lock_timeout=lock_timeout, check_mode=False, keep=_KERNELS)
        staying = driver_request.driver_packages(work.manager.known())
    work.diffs += gone.diffs()
    settings = kept_files.changes({driver_request.PREFERENCES: None, driver_request.UNATTENDED: None})
    work.diffs += [change.diff() for change in settings]
    if not check_mode:
        kept_files.apply_all(settings)
    sources, stays = cuda_repository.without_driver()
    work.diffs += sources.diffs()
    if not check_mode:
        sources.apply()
    if not work.stays(staying):
        _let_nouveau_in(work, tool, kernels)
    left = [*gone.left, *gone.warnings, *of_others(work, staying), *_keys(work), *stays, *sources.left]
    if not check_mode:
        made.note(BY, (), work.done)
        kernels = linux_kernels.read(Sysroot())
    return _outcome(work, gone, kernels, left, stays=work.stays(staying), container=container)


def _require_room(tool: Tool | None, kernels: Collection[Kernel]) -> None:
    """Refuse a node whose /boot has no room for the initial RAM disk that has to be rebuilt."""
    if tool and os.path.exists(MODPROBE):
        initramfs.require_room(_images(tool, kernels))


def _images(tool: Tool, kernels: Collection[Kernel]) -> list[Image]:
    return initramfs.images(tool, [kernel.release for kernel in kernels if kernel.bootable])


def _disable_services(work: Work) -> None:
    """Have the services that we have enabled start no more; their packages may leave the links."""
    for thing in work.of_kind("service"):
        work.done.append(thing)
        if any(os.path.exists(os.path.join(folder, thing.name)) for folder in _UNITS):
            work.note(thing.name, "enabled")
            if not work.check_mode:
                remedy = "See `journalctl --unit %s`" % thing.name
                command.require(["systemctl", "disable", "--now", thing.name], remedy)


def _undo_installer(work: Work) -> None:
    """Undo NVIDIA's installer, where we have run it: before DKMS goes, which it calls."""
    for thing in work.of_our_installer:
        work.done.append(thing)
        versions = set(map(transaction.upstream, work.manager.installed().values()))
        found = runfile.find(work.manager.name, packaged=versions)
        if found != runfile.Found():
            work.note("NVIDIA's installer", ", ".join(found.versions))
            if not work.check_mode:
                runfile.remove(work.manager.name)


def _let_nouveau_in(work: Work, tool: Tool | None, kernels: Collection[Kernel]) -> None:
    """Remove the settings that keep nouveau off, and have the initial RAM disks follow."""
    files = kept_files.changes({DRACUT: None, MODPROBE: None})
    work.diffs += [change.diff() for change in files]
    if tool and os.path.exists(MODPROBE):
        for image in _images(tool, kernels):
            work.note(image.path, "with the settings against nouveau", "rebuilt")
    if work.check_mode:
        return

    def rebuild() -> None:
        if tool:
            old = initramfs.stale(_images(tool, kernels), os.stat(MODPROBE).st_mtime_ns, time.time_ns())
            initramfs.rebuild(tool, old)

    kept_files.apply_all(change for change in files if change.path == DRACUT)
    kept_files.withdraw(MODPROBE, rebuild)


def of_others(work: Work, staying: Collection[str]) -> list[str]:
    """Return what stays of drivers that are not recorded as ours, with the reason."""
    no_record = "no record says that Evenkeel has %s"
    ours = {thing.name for thing in work.of_kind("package")}
    others = [name for name in staying if name not in ours]
    found = []
    if others:
        found.append("the driver's packages %s: %s" % (", ".join(others), no_record % "installed them"))
        holds = {thing.name for thing in work.of_kind("hold")}
        held = [name for name in driver_request.of_driver_or_kernel(work.manager.held()) if name not in holds]
        found += ["the holds of %s: %s" % (", ".join(held), no_record % "placed them")] if held else []
    if runfile.installed() and not work.of_our_installer:
        found.append("the driver %s of NVIDIA's installer: %s" % (runfile.installed(), no_record % "run it"))
    if work.stays(staying) and os.path.exists(MODPROBE):
        found.append("%s: it keeps nouveau off the GPUs of the driver that stays" % MODPROBE)
    return found


def _keys(work: Work) -> list[str]:
    """Return the keys that we have made to sign modules, which stay; forget those that somebody has removed."""
    keys = [thing for thing in work.of_kind("file") if thing not in work.of_our_installer]
    work.done += [thing for thing in keys if not os.path.exists(thing.name)]
    paths = [thing.name for thing in keys if thing not in work.done]
    why = "the firmware may trust this key, until `mokutil --delete` has it forgotten, and others may sign with it"
    return ["%s: %s" % (", ".join(paths), why)] if paths else []


def _outcome(
    work: Work, gone: Removal, kernels: Collection[Kernel], left: list[str], *, stays: bool, container: bool
) -> Outcome:
    module = linux_kernels.loaded_by_running(kernels)
    loaded = loaded_driver.read(Sysroot())
    if module and not stays and not work.check_mode:
        left.append("%s: it was not removed with the driver's packages" % module.path)
    has_one = stays or (module and not work.check_mode)
    return Outcome(
        changed=bool(work.diffs or gone.changed),
        version=module.version if module else "",
        flavour=module.flavour if module else "",
        kernels=tuple(kernel for kernel in kernels if kernel.bootable),
        packages=tuple(map(str, gone.plan.steps)),
        healed=gone.healed,
        left=tuple(left),
        reboot=() if has_one else tuple(reboot.without_driver(loaded, container=container)),
        diffs=tuple(work.diffs),
        unknown=gone.unknown,
    )
