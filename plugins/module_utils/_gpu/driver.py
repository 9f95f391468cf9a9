# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The driver of a node, from its packages to the next boot."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, initramfs, runfile, secure_boot
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels as kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import transaction as packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.apt import Apt
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.converge import AnyManager
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, Request, Wanted

PREFERENCES = "/etc/apt/preferences.d/evenkeel-nvidia-driver"
UNATTENDED = "/etc/apt/apt.conf.d/52evenkeel-nvidia-driver"
MODPROBE = "/etc/modprobe.d/evenkeel-nvidia-driver.conf"
DRACUT = "/etc/dracut.conf.d/evenkeel-nvidia-driver.conf"
#: The kernel of a node, which the driver's transaction never changes.
_KERNELS = ("linux-image-*", "kernel", "kernel-core")
#: What brings newer kernels and their headers; held beside the driver.
_KERNEL_HOLDS = ("linux-image-[!0-9]*", "linux-headers-[!0-9]*", "linux-generic*", "kernel", "kernel-*")
_VERSIONLOCK = "python3-dnf-plugin-versionlock"


@dataclass(frozen=True)
class Runfile:
    """NVIDIA's installer."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Desired:
    """What a node is to have; the options of the module ``nvidia_driver``, which describes them."""

    flavour: str
    gpu: bool
    version: str = ""
    repository: Repository | None = None
    packages: tuple[Wanted, ...] = ()
    absent: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    dkms: str = ""
    runfile: Runfile | None = None
    hold: bool = True
    hold_kernel: bool = True
    keep_off: bool = True
    persistence: bool = True
    fabric_manager: bool = False
    container: bool = False
    secure_boot: bool = False
    lock_timeout: int = 300


@dataclass(frozen=True)
class Outcome:
    """What the module returns, which describes it."""

    changed: bool
    version: str
    kernels: tuple[Kernel, ...]
    packages: tuple[str, ...]
    healed: tuple[str, ...]
    left: tuple[str, ...]
    reboot: tuple[str, ...]
    diffs: tuple[Mapping[str, str], ...]


@dataclass
class _Work:
    """What has been done so far, or would be in check mode."""

    check_mode: bool
    diffs: list[Mapping[str, str]] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)

    def note(self, outcome: package_set.Outcome) -> None:
        self.diffs += outcome.diffs()
        self.packages += map(str, outcome.plan.steps)
        self.healed += outcome.healed

    def note_change(self, what: str, before: str, after: str) -> None:
        header = {"before_header": what, "after_header": what}
        self.diffs.append({**header, "before": before and before + "\n", "after": after and after + "\n"})


def converge(desired: Desired, *, check_mode: bool) -> Outcome:
    """Bring a node to what is desired.

    Raises
    ------
    EvenkeelError
        Something can't be done. Unless the message says otherwise, the driver that was there is there still.
    """
    work = _Work(check_mode)
    manager = package_set.manager_of_node(lock_timeout=desired.lock_timeout)
    settings = kept_files.changes(setting_files(desired, has_dracut=os.path.isdir("/etc/dracut.conf.d")))
    tool = None if desired.container else initramfs.tool()
    if tool and settings:
        initramfs.require_room(initramfs.images(tool, [kernel.release for kernel in kernels.read()]))

    if desired.runfile is None:
        _converge_packages(desired, manager, work)
    else:
        _converge_runfile(desired, manager, desired.runfile, work)
    found = kernels.read()
    if not desired.container or found:
        found = _converge_modules(desired, found, work)

    work.diffs += [change.diff() for change in settings]
    if not check_mode:
        kept_files.apply_all(settings)
    if tool:
        _converge_initramfs(tool, found, work)
    loaded = kept_files.text("/sys/module/nvidia/version") or ""
    on_disk = _running(found)
    if desired.gpu and not desired.container and on_disk and not loaded and not _nouveau():
        work.note_change("module", "", "nvidia %s loaded" % on_disk)
        if not check_mode:
            command.require(["modprobe", "nvidia"], "See `dmesg`: the kernel says why")
            loaded = kept_files.text("/sys/module/nvidia/version") or ""
    _converge_services(desired, bool(loaded), work)
    return Outcome(
        changed=bool(work.diffs or work.healed),
        version=on_disk or next((kernel.module for kernel in found if kernel.module), ""),
        kernels=tuple(found),
        packages=tuple(work.packages),
        healed=tuple(work.healed),
        left=tuple(what_is_left(desired, found)),
        reboot=tuple(reasons_to_reboot(loaded.strip(), on_disk, nouveau=_nouveau() and desired.gpu)),
        diffs=tuple(work.diffs),
    )


def setting_files(desired: Desired, *, has_dracut: bool) -> dict[str, str | None]:
    """Return the files that keep nouveau off the hardware, with their texts."""
    modprobe = "blacklist nouveau\nblacklist nova_core\noptions nouveau modeset=0\ninstall nouveau /bin/false\n"
    files: dict[str, str | None] = {MODPROBE: "%s\n%s" % (kept_files.MARK, modprobe)}
    if has_dracut:
        files[DRACUT] = '%s\nomit_drivers+=" nouveau nova_core "\n' % kept_files.MARK
    return files


def package_files(desired: Desired, *, apt: bool) -> dict[str, str | None]:
    """Return the package manager's files, with their texts; None for a file that isn't to be."""
    if not apt:
        return {}
    preferences = unattended = None
    if desired.version and desired.family:
        form = "%s\nPackage: %s\nPin: version %s-*\nPin-Priority: 1001\n"
        preferences = form % (kept_files.MARK, " ".join(desired.family), desired.version)
    if desired.keep_off:
        patterns = [*map(_pattern, desired.family), "^cuda-drivers"]
        kernel = ["^linux-image-", "^linux-headers-"] if desired.hold_kernel else []
        lines = "".join('    "%s";\n' % pattern for pattern in dict.fromkeys([*patterns, *kernel]))
        unattended = "%s\nUnattended-Upgrade::Package-Blacklist {\n%s};\n" % (kept_files.MARK, lines)
    return {PREFERENCES: preferences, UNATTENDED: unattended}


def request(desired: Desired) -> Request:
    """Return what is asked of the package manager for the driver."""
    holds = (desired.family if desired.hold else ()) + (_KERNEL_HOLDS if desired.hold_kernel else ())
    releases = (() if desired.hold else desired.family) + (() if desired.hold_kernel else _KERNEL_HOLDS)
    return Request(
        wanted=desired.packages,
        absent=desired.absent,
        hold=holds,
        release=releases,
        of_version=dict.fromkeys(desired.family, desired.version) if desired.version else {},
        refuse=_KERNELS,
        may_go=desired.family,
    )


def prerequisites(
    desired: Desired, found: Iterable[Kernel], installed: Iterable[str], *, apt: bool
) -> tuple[Wanted, ...]:
    """Return the packages that have to be there before the driver's."""
    names = [] if apt or not (desired.hold or desired.hold_kernel) else [_VERSIONLOCK]
    if desired.dkms or desired.runfile:
        names += ["dkms"]
        headers = "linux-headers-%s" if apt else "kernel-devel-%s"
        names += [headers % kernel.release for kernel in found if not kernel.headers]
        names += _header_packages(installed)
        if desired.secure_boot:
            names += ["mokutil", "openssl"]
    return tuple(Wanted(name) for name in names)


def reasons_to_reboot(loaded: str, on_disk: str, *, nouveau: bool) -> list[str]:
    """Return why a node has to be rebooted.

    Parameters
    ----------
    loaded, on_disk
        The version of the loaded module, and of that on disk for the running kernel; empty when there is none.
    nouveau
        Whether nouveau holds the GPU.
    """
    reasons = []
    if loaded and on_disk and loaded != on_disk:
        reasons.append("the driver %s is loaded, and %s is installed" % (loaded, on_disk))
    if nouveau:
        reasons.append("nouveau holds the GPU")
    return reasons


def what_is_left(desired: Desired, found: Sequence[Kernel]) -> list[str]:
    """Return what could not be done on a node, and why."""
    left = []
    if not found:
        left.append("no kernel module was built: the node has no kernel of its own")
    elif desired.container:
        left.append("the kernel module is not loaded: the node is a container")
    if not desired.gpu:
        left.append("the driver's services were not started: the node has no GPU")
    return left


def _converge_packages(desired: Desired, manager: AnyManager, work: _Work) -> None:
    apt = isinstance(manager, Apt)
    found = kernels.read()
    installed = manager.installed()
    job = package_set.Job(
        request(desired), desired.repository, package_files(desired, apt=apt), lock_timeout=desired.lock_timeout
    )
    first = Request(wanted=prerequisites(desired, found, installed, apt=apt), refuse=_KERNELS)
    if packages.lacking(first.wanted, installed):
        if not work.check_mode and not manager.interrupted():
            # What can't be had of the driver is told before the first change.
            package_set.converge(job, check_mode=True)
        work.note(_in_order(package_set.Job(first, lock_timeout=desired.lock_timeout), work))
        found = kernels.read()
    if desired.dkms and not work.check_mode:
        dkms.require_headers([kernel.release for kernel in found if not kernel.headers])
    if desired.dkms and desired.secure_boot:
        secure_boot.require_enrolled(secure_boot.key_of_node(), make=not work.check_mode)
    work.note(_in_order(job, work, _Trial(desired.dkms, found)))


@dataclass
class _Trial:
    """The build of a module before its package comes, where a module that works could be lost.

    On a node that has none the package builds it, and is taken away again where that fails.
    """

    package: str
    found: Sequence[Kernel]
    plan: Plan = field(default_factory=Plan)

    def __call__(self, staged: AnyManager, plan: Plan) -> None:
        self.plan = plan
        if not self.package or not any(kernel.module for kernel in self.found):
            return
        for step in plan.steps:
            if packages.matching([step.name], [self.package]) and step.after:
                _try_module(staged, staged.exact % (step.name, step.after), [kernel.release for kernel in self.found])

    def undo(self, manager: AnyManager) -> str:
        """Take away what a transaction has brought that failed; return what to say of it."""
        come = [step.name for step in self.plan.steps if step.after and not step.before]
        changed = [step for step in self.plan.steps if step.after and step.before]
        if not come or changed or any(kernel.module for kernel in self.found):
            return ""
        manager.apply((), [name for name in come if name in manager.known()])
        return "The packages that had come with it were removed again. "


def _in_order(job: package_set.Job, work: _Work, trial: _Trial | None = None) -> package_set.Outcome:
    """Bring packages to the node; a module whose build fails on the way is told in the compiler's words."""
    logs = dkms.logs()
    try:
        return package_set.converge(job, check_mode=work.check_mode, before=trial)
    except EvenkeelError as error:
        failed = dkms.failed_since(logs)
        if failed is None or "dkms" in error.details:
            raise
        undone = trial.undo(package_set.manager_of_node(lock_timeout=job.lock_timeout)) if trial else ""
        raise EvenkeelError(failed.what, undone + failed.mend, **failed.details) from error


def _try_module(manager: AnyManager, spec: str, releases: Sequence[str]) -> None:
    """Build the module out of a package that isn't installed."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-driver-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # apt downloads as a user of its own
        unpacked = os.path.join(folder, "unpacked")
        manager.unpack(manager.download(spec, folder), unpacked)
        for source, _version in dkms.sources(unpacked):
            dkms.try_build(source, releases)


def _converge_runfile(desired: Desired, manager: AnyManager, file: Runfile, work: _Work) -> None:
    installed = manager.installed()
    runfile.require_no_packages(
        [name for name in installed if re.match(r"(nvidia-(kernel|dkms|driver)|kmod-nvidia)", name)]
    )
    first = Request(
        wanted=prerequisites(desired, kernels.read(), installed, apt=isinstance(manager, Apt)),
        hold=_KERNEL_HOLDS if desired.hold_kernel else (),
        refuse=_KERNELS,
    )
    work.note(_in_order(package_set.Job(first, lock_timeout=desired.lock_timeout), work))
    if desired.secure_boot:
        secure_boot.require_enrolled(secure_boot.key_of_node(), make=not work.check_mode)
    standing = runfile.installed()
    if standing != desired.version:
        work.note_change("NVIDIA's installer", standing, desired.version)
        if not work.check_mode:
            runfile.install(file.url, file.sha256, desired.version, desired.flavour)


def _converge_modules(desired: Desired, found: list[Kernel], work: _Work) -> list[Kernel]:
    """Have each kernel have the driver's module; return the kernels as they are then."""
    for name, version in dkms.registered():
        for kernel in kernels.without_module(found, version):
            work.note_change("module for %s" % kernel.release, kernel.module, version)
            if not work.check_mode:
                dkms.build(name, version, kernel.release)
        # One that came before Secure Boot was on, or before DKMS had a key.
        for kernel in kernels.unsigned(kernels.read(), version) if desired.secure_boot else ():
            work.note_change("module for %s" % kernel.release, "unsigned", "signed")
            if not work.check_mode:
                dkms.build(name, version, kernel.release, again=True)
    found = kernels.read()
    missing = kernels.without_module(found, desired.version)
    if missing and not work.check_mode:
        raise EvenkeelError(
            "The kernel %s has no module of the driver %s" % (_releases(missing), desired.version),
            "Don't boot it. Choose a source that builds modules on the node, or remove that kernel",
        )
    refused = kernels.unsigned(found, desired.version) if desired.secure_boot else []
    if refused and not work.check_mode:
        raise EvenkeelError(
            "Secure Boot is on, and the module of the driver %s for the kernel %s is not signed"
            % (desired.version, _releases(refused)),
            "Don't boot it. Run `dkms build --force` for it: it says why it does not sign",
        )
    return found


def _converge_initramfs(tool: initramfs.Tool, found: Sequence[Kernel], work: _Work) -> None:
    if work.check_mode and not os.path.exists(MODPROBE):
        return
    written = max(os.stat(path).st_mtime_ns for path in (MODPROBE, DRACUT) if os.path.exists(path))
    releases = [kernel.release for kernel in found]
    old = initramfs.stale(initramfs.images(tool, releases), written, time.time_ns())
    for image in old:
        work.note_change(image.path, "made before nouveau was kept off", "made anew")
    if old and not work.check_mode:
        initramfs.rebuild(tool, old)
        bad = initramfs.with_nouveau(tool, initramfs.images(tool, releases), MODPROBE)
        if bad:
            raise EvenkeelError(
                "nouveau is still in %s" % ", ".join(image.path for image in bad),
                "Find what puts it there: `grep -r nouveau /etc/initramfs-tools /etc/dracut.conf.d`",
            )


def _converge_services(desired: Desired, loaded: bool, work: _Work) -> None:
    run = desired.gpu and loaded
    names = ["nvidia-persistenced"] * desired.persistence + ["nvidia-fabricmanager"] * desired.fabric_manager
    for name in names:
        if work.check_mode and not os.path.exists("/usr/lib/systemd/system/%s.service" % name):
            continue
        change = services.change("%s.service" % name, run=run)
        if change is not None:
            work.diffs.append(change.diff())
            if not work.check_mode:
                change.apply()


def _header_packages(installed: Iterable[str]) -> list[str]:
    """Return what brings the headers of kernels to come, beside what brings the kernels."""
    found = [name for name in installed if re.match(r"linux-image-(?!\d)", name)]
    return [name.replace("linux-image-", "linux-headers-", 1) for name in sorted(found)]


def _pattern(name: str) -> str:
    """Return a shell's pattern of a package's name as unattended-upgrades' regular expression."""
    return "^%s" % re.escape(name).replace(r"\*", ".*").replace(r"\[", "[").replace(r"\]", "]")


def _running(found: Iterable[Kernel]) -> str:
    """Return the version of the running kernel's module on disk."""
    return next((kernel.module for kernel in found if kernel.release == os.uname().release), "")


def _releases(found: Iterable[Kernel]) -> str:
    return ", ".join(kernel.release for kernel in found)


def _nouveau() -> bool:
    return os.path.isdir("/sys/module/nouveau")
