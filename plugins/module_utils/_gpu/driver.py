# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The driver of a node, from its packages to the next boot, in named steps."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    dkms,
    dkms_transaction,
    driver_request,
    initramfs,
    kernel_packages,
    leftovers,
    linux_kernels,
    loaded_driver,
    reboot,
    runfile,
    secure_boot,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import DRACUT, MODPROBE, Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Form, Needs
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.leftovers import Leftovers
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, disk_space, kept_files, made, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import damage, offered, transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted

#: The module that records what is made.
BY = "nvidia_driver"
_UNITS = "/usr/lib/systemd/system"


@dataclass(frozen=True)
class Outcome:
    """What the module returns, which describes it."""

    changed: bool
    version: str
    flavour: str
    kernels: tuple[Kernel, ...]
    packages: tuple[str, ...]
    healed: tuple[str, ...]
    left: tuple[str, ...]
    reboot: tuple[str, ...]
    diffs: tuple[Mapping[str, str], ...]
    unknown: tuple[str, ...]


@dataclass
class Run:
    """A run on a node: what is desired, and what has changed so far, or would change in check mode.

    Parameters
    ----------
    system
        The node's files.
    manager
        Its package manager.
    """

    desired: Desired
    check_mode: bool
    system: Sysroot
    manager: Manager
    diffs: list[Mapping[str, str]] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    needs: Needs = field(default_factory=Needs)
    #: Whether NVIDIA's uninstaller has run, which takes away its files also where packages have put theirs.
    uninstalled: bool = False

    def kernels(self) -> list[Kernel]:
        """Return the kernels that the node may boot and that get a module, as they are now."""
        return [kernel for kernel in linux_kernels.bootable(self.system) if kernel.release not in self.needs.lost]

    def note(self, what: str, before: str, after: str) -> None:
        """Note a change."""
        header = {"before_header": what, "after_header": what}
        self.diffs.append({**header, "before": before and before + "\n", "after": after and after + "\n"})

    def leftovers(self) -> Leftovers:
        """Return what another driver has left on the node, as it is now."""
        desired = self.desired
        by_installer = desired.runfile is not None
        name, version = self.manager.name, _version(self)
        return leftovers.find(
            self.system,
            name,
            version,
            is_built=desired.is_built,
            by_installer=by_installer,
            packaged=self.packaged(),
        )

    def packaged(self) -> set[str]:
        """Return the versions of the software of all installed packages."""
        return set(map(transaction.upstream, self.manager.installed().values()))

    def bring(self, job: package_set.Job, source: str = "", before: Callable[[], None] | None = None) -> None:
        """Bring packages to the node; see ``dkms_transaction.converge``."""
        kernels, without = linux_kernels.bootable(self.system), self.needs.lost
        outcome, untried = dkms_transaction.converge(
            job, source, kernels, check_mode=self.check_mode, without=without, before=before
        )
        self.untried += untried
        # A rehearsal brings nothing, so the repository of DKMS would be new to two transactions.
        shown = {diff["after_header"] for diff in self.diffs} - {"packages"}
        self.diffs += [diff for diff in outcome.diffs() if diff["after_header"] not in shown]
        self.packages += map(str, outcome.plan.steps)
        self.healed += outcome.healed
        self.unknown += outcome.unknown


def converge(desired: Desired, *, check_mode: bool) -> Outcome:
    """Bring a node to what is desired.

    Raises
    ------
    EvenkeelError
        A step failed. Unless the message says otherwise, the driver that was there is still there.
    """
    run = Run(desired, check_mode, Sysroot(), package_set.manager_of_node(lock_timeout=desired.lock_timeout))
    for step in STEPS:
        step(run)
    return _outcome(run)


def require_room_for_initial_ram_disks(run: Run) -> None:
    """Refuse a node whose /boot has no room for the initial RAM disk that has to be rebuilt."""
    tool = _initramfs_tool(run)
    if tool and _nouveau_changes():
        initramfs.require_room(initramfs.images(tool, [kernel.release for kernel in run.kernels()]))


def require_writable_kernels(run: Run) -> None:
    """Refuse a node where the module of a kernel that has to get one can't be written."""
    lacking = linux_kernels.without_module(run.kernels(), run.desired.version, run.desired.flavour)
    disk_space.require_writable(linux_kernels.folders(lacking))


def require_one_source(run: Run) -> None:
    """Refuse NVIDIA's installer on a node that has a driver from packages, and packages where it has installed one."""
    if run.desired.runfile:
        runfile.require_no_packages(driver_request.driver_packages(run.manager.installed()))
    elif not run.desired.remove_leftovers:
        runfile.require_none(runfile.find(run.manager.name, packaged=run.packaged()))


def find_what_kernels_need(run: Run) -> None:
    """Find out what the kernels need of the repositories; refuse a node where that is gone, or plan a newer kernel."""
    desired = run.desired
    if not (desired.is_built or desired.modules):
        return
    form, kernels, installed = Form(run.manager.name, desired.modules), run.kernels(), run.manager.installed()
    lacking = kernel_packages.lacking(form, kernels, installed)
    newest = kernel_packages.newest(kernels) if lacking else ""
    bringers = kernel_packages.bringers(form, newest, installed) if newest and desired.kernel == "upgrade" else ()
    of_future = form.of_future({*installed, *bringers})
    asked = [*lacking.values(), *(name for names in of_future.values() for name in names), *bringers]
    tools = driver_request.tools_of_red_hat(desired, installed) if run.manager.name == "dnf" else {}
    asked += tools
    if not asked:
        return
    try:
        archive = offered.versions(asked, fresh=bool(lacking or tools), coming=desired.repository)
    except command.TimedOut as error:
        if not run.check_mode:
            raise
        run.unknown.append("which packages the kernels need: %s" % error.what)
        return
    driver_request.require_tools(tools, archive)
    run.needs = kernel_packages.needs(form, lacking, installed, archive)
    own = kernel_packages.of_no_package(run.needs.lost, run.manager.name) if run.needs.lost else []
    if own and (newest in own or desired.kernel != "upgrade"):
        raise kernel_packages.refusal_of_own(form, own)
    if run.needs.lost and desired.kernel != "upgrade":
        raise kernel_packages.refusal(form, run.needs.lost)
    if newest in run.needs.lost:
        kernel = kernel_packages.newer(form, newest, installed, archive)
        run.needs = kernel_packages.needs(form, lacking, {*installed, *(one.name for one in kernel)}, archive)
        wanted = [*run.needs.wanted, *_of_coming_kernels(run, form, kernel)]
        run.needs = dataclasses.replace(run.needs, kernel=kernel, wanted=tuple(dict.fromkeys(wanted)))


def finish_interrupted(run: Run) -> None:
    """Finish what a killed or failed run left unfinished, or remove it where it is a driver that can't be finished."""
    if not run.check_mode:  # else each transaction says what is unfinished
        run.healed += package_set.heal(_driver_job(run), run.manager, check_mode=False)[0]


def install_prerequisites(run: Run) -> None:
    """Install what has to be there before the driver: DKMS, the kernels' headers, the tools of Secure Boot."""
    installed = run.manager.installed()
    request = driver_request.prerequisites(run.desired, run.needs, run.manager.name)
    if not transaction.lacking(request.wanted, installed):
        return
    if not run.check_mode and not run.manager.interrupted():
        # What the driver itself would fail at is reported before the first change.
        package_set.converge(_driver_job(run), check_mode=True)
    logs = dkms.logs()
    try:
        run.bring(dataclasses.replace(_job(run, request), repository=run.desired.dkms_repository))
    except EvenkeelError:
        # A newer kernel's own scripts have DKMS build the driver that is there, which the declared one is to replace.
        failed = dkms.versions_failed_since(logs)
        if not failed or _version(run) in failed:
            raise


def require_headers(run: Run) -> None:
    """Refuse a node with a kernel for which no module can be built although it has the headers' package."""
    if run.desired.is_built:
        without = [kernel.release for kernel in run.kernels() if not kernel.headers]
        form, installed = Form(run.manager.name), run.manager.installed() if run.check_mode else {}
        dkms.require_headers([one for one in without if not run.check_mode or form.of(one) in installed])


def require_enrolled_key(run: Run) -> None:
    """Refuse a node whose firmware does not trust the key that modules are signed with."""
    if run.desired.is_built and run.desired.secure_boot:
        key = secure_boot.key_of_node(run.system)
        if not os.path.exists(key.certificate):
            if run.check_mode:
                # What is to be enrolled has to be made first, so nothing may stop the run that makes it.
                run.note(key.certificate, "", "a key, to be enrolled before the driver can be installed")
                return
            made.note(BY, [Thing("file", path) for path in (key.private, key.certificate) if not os.path.exists(path)])
        secure_boot.require_enrolled(key, make=not run.check_mode)


def install_packages(run: Run) -> None:
    """Install the driver's packages, if it comes as packages; hold these and the kernels."""

    def make_way() -> None:
        remove_leftovers(run)
        leftovers.clear_kernels(run.leftovers())

    run.bring(_driver_job(run), run.desired.dkms, make_way)


def remove_leftovers(run: Run) -> None:
    """Remove what another driver has left, where that is wanted; before packages come if some do."""
    found = run.leftovers() if run.desired.remove_leftovers else Leftovers()
    if not found.lines():
        return
    run.note("left by another driver", "\n".join(found.lines()), "")
    if not run.check_mode:
        run.uninstalled = bool(found.installer.libraries) and found.installer.uninstaller
        leftovers.remove(found, run.manager.name)
        made.note(BY, [], [Thing("file", runfile.UNINSTALLER)] if found.installer.uninstaller else [])


def bring_back_files(run: Run) -> None:
    """Install the driver's packages again that lack files after NVIDIA's uninstaller."""
    if not run.uninstalled:
        return
    manager = run.manager
    family = transaction.matching(manager.installed(), run.desired.family, manager.sources())
    names = damage.damaged(family, manager.name)
    if not names:
        return
    run.note("packages without all their files", "\n".join(names), "")
    held = sorted(manager.held().intersection(names))
    manager.reinstall(names)
    if held:
        manager.hold(held)  # apt takes the hold off what it installs by name
    left = damage.damaged(names, manager.name)
    if left:
        raise EvenkeelError(
            "NVIDIA's uninstaller has taken away files of the packages %s" % ", ".join(left),
            "Install them again: no repository of the node seems to have them at their versions",
        )


def run_installer(run: Run) -> None:
    """Run NVIDIA's installer where its driver has another version or flavour."""
    desired = run.desired
    if desired.runfile is None:
        return
    installed = runfile.installed()
    flavours = sorted({kernel.module.flavour for kernel in run.kernels() if kernel.module})
    if installed == desired.version and set(flavours) <= {desired.flavour}:
        return
    before = " ".join([installed, *flavours]) if installed else ""
    run.note("NVIDIA's installer", before, "%s %s" % (desired.version, desired.flavour))
    if run.check_mode:
        runfile.require_offered(desired.runfile.url)
    else:
        made.note(BY, [Thing("file", runfile.UNINSTALLER)] if not installed else [])
        runfile.install(desired.runfile.url, desired.runfile.sha256, desired.version, desired.flavour)


def build_missing_modules(run: Run) -> None:
    """Have DKMS build the module for the kernels that lack it in the desired version and flavour."""
    for name, version in _registered(run):
        for kernel in linux_kernels.without_module(run.kernels(), version, run.desired.flavour):
            run.note("module for %s" % kernel.release, _words(kernel), "%s %s" % (version, run.desired.flavour))
            if not run.check_mode:
                # DKMS itself would be content with a module of this version and the other flavour.
                dkms.build(name, version, kernel.release, again=kernel.module is not None)


def clear_the_way(run: Run) -> None:
    """Take away modules that no package owns and that kernels would load instead of the declared one."""
    desired = run.desired
    for kernel in linux_kernels.without_module(run.kernels(), desired.version, desired.flavour):
        files = leftovers.in_the_way(kernel, desired.version, desired.flavour, run.manager.name)
        if files:
            run.note("loaded by %s instead of the declared module" % kernel.release, "\n".join(files), "")
            if not run.check_mode:
                leftovers.take_away(files, kernel.release, desired.version)


def sign_modules(run: Run) -> None:
    """Have DKMS build unsigned modules again: they are from before Secure Boot was on, or before DKMS had a key."""
    if not run.desired.secure_boot:
        return
    for name, version in _registered(run):
        for kernel in linux_kernels.unsigned(run.kernels(), version):
            run.note("module for %s" % kernel.release, "unsigned", "signed")
            if not run.check_mode:
                dkms.build(name, version, kernel.release, again=True)


def require_modules(run: Run) -> None:
    """Refuse to leave a kernel that can be booted without a module that it can load."""
    desired = run.desired
    if run.check_mode:
        return
    kernels = run.kernels()
    missing = linux_kernels.without_module(kernels, desired.version, desired.flavour)
    if missing:
        raise EvenkeelError(
            "The kernel %s has no %s module of the driver %s" % (_releases(missing), desired.flavour, desired.version),
            "Don't boot it. %s" % _way_to_modules(desired),
        )
    unsigned = linux_kernels.unsigned(kernels, desired.version) if desired.secure_boot else []
    if unsigned:
        raise EvenkeelError(
            "Secure Boot is on, and the module of the driver %s for the kernel %s is not signed"
            % (desired.version, _releases(unsigned)),
            "Don't boot it. Run `dkms build --force` for it: its output says why it does not sign",
        )


def keep_nouveau_off(run: Run) -> None:
    """Write the settings that keep nouveau off the hardware."""
    changes = _nouveau_changes()
    run.diffs += [change.diff() for change in changes]
    if not run.check_mode:
        kept_files.apply_all(changes)


def rebuild_initial_ram_disks(run: Run) -> None:
    """Rebuild the initial RAM disks that are older than the settings against nouveau."""
    tool = _initramfs_tool(run)
    if tool is None or (run.check_mode and not os.path.exists(MODPROBE)):
        return
    written = max(os.stat(path).st_mtime_ns for path in (MODPROBE, DRACUT) if os.path.exists(path))
    releases = [kernel.release for kernel in run.kernels()]
    old = initramfs.stale(initramfs.images(tool, releases), written, time.time_ns())
    for image in old:
        run.note(image.path, "older than the settings against nouveau", "rebuilt")
    if old and not run.check_mode:
        initramfs.rebuild(tool, old)
        bad = initramfs.with_nouveau(tool, initramfs.images(tool, releases), MODPROBE)
        if bad:
            raise EvenkeelError(
                "nouveau is still in %s" % ", ".join(image.path for image in bad),
                "Find what puts it there: `grep -r nouveau /etc/initramfs-tools /etc/dracut.conf.d`",
            )


def load_module(run: Run) -> None:
    """Load the module where neither another version nor nouveau is loaded."""
    installed = linux_kernels.loaded_by_running(linux_kernels.read(run.system))
    if not run.desired.gpu or run.desired.container or installed is None:
        return
    loaded = loaded_driver.read(run.system)
    if loaded.version or loaded.nouveau:
        return
    run.note("module", "", "nvidia %s loaded" % installed.version)
    if not run.check_mode:
        command.require(["modprobe", "nvidia"], "Read the kernel's reason in `dmesg`")


def start_services(run: Run) -> None:
    """Enable the driver's services, and start them where the driver is loaded."""
    desired = run.desired
    # NVIDIA's installer has no unit for the persistence daemon.
    names = ["nvidia-persistenced"] * (desired.persistence and not desired.runfile) + [
        "nvidia-fabricmanager"
    ] * desired.fabric_manager
    now = desired.gpu and bool(loaded_driver.read(run.system).version)
    for name in names:
        if run.check_mode and not os.path.exists("%s/%s.service" % (_UNITS, name)):
            continue
        change = services.change("%s.service" % name, run=now)
        if change is not None:
            run.diffs.append(change.diff())
            if not run.check_mode:
                change.apply(BY)


#: In this order; a step that refuses or fails ends the run.
STEPS: tuple[Callable[[Run], None], ...] = (
    require_room_for_initial_ram_disks,
    require_writable_kernels,
    require_one_source,
    finish_interrupted,
    find_what_kernels_need,
    install_prerequisites,
    require_headers,
    require_enrolled_key,
    install_packages,
    remove_leftovers,
    bring_back_files,
    run_installer,
    build_missing_modules,
    clear_the_way,
    sign_modules,
    require_modules,
    keep_nouveau_off,
    rebuild_initial_ram_disks,
    load_module,
    start_services,
)


def _outcome(run: Run) -> Outcome:
    installed_kernels = linux_kernels.read(run.system)
    kernels = [kernel for kernel in installed_kernels if kernel.bootable]
    loaded = loaded_driver.read(run.system)
    module = linux_kernels.loaded_by_running(installed_kernels) or next(
        (kernel.module for kernel in kernels if kernel.module), None
    )
    # In check mode, what would be removed is in the difference.
    named = [] if run.check_mode and run.desired.remove_leftovers else run.leftovers().named()
    return Outcome(
        changed=bool(run.diffs or run.healed or run.unknown),
        version=module.version if module else "",
        flavour=module.flavour if module else "",
        kernels=tuple(kernels),
        packages=tuple(run.packages),
        healed=tuple(dict.fromkeys(run.healed)),
        left=(
            *run.untried,
            *named,
            *driver_request.what_is_left(run.desired, kernels),
            *run.needs.notes,
            *kernel_packages.left_without(run.needs.lost),
        ),
        reboot=tuple(reboot.reasons(loaded, installed_kernels, gpu=run.desired.gpu, container=run.desired.container)),
        diffs=tuple(run.diffs),
        unknown=tuple(dict.fromkeys(run.unknown)),
    )


def _job(run: Run, request: Request) -> package_set.Job:
    return package_set.Job(BY, request, coming=run.desired.repository, lock_timeout=run.desired.lock_timeout)


def _driver_job(run: Run) -> package_set.Job:
    desired = run.desired
    files = driver_request.package_files(desired, run.manager.name)
    epel = desired.dkms_repository
    if epel and "dkms" not in run.manager.installed():
        # A rehearsal sees what is there by then; its key is not asked for.
        files = {**files, epel.path: repositories.text(epel, epel.key_path, "", "")}
    request = driver_request.packages(desired)
    if desired.modules:
        request = driver_request.with_kernels(request, run.needs, desired)
    return package_set.Job(BY, request, desired.repository, files, lock_timeout=desired.lock_timeout)


def _of_coming_kernels(run: Run, form: Form, kernel: Sequence[Wanted]) -> list[Wanted]:
    """Return the packages of the kernels that a newer one brings; refuse one that no repository has."""
    if form.manager != "apt":
        return []
    job = _job(run, driver_request.of_kernel(Request(wanted=tuple(kernel)), run.desired))
    releases = kernel_packages.coming(package_set.converge(job, check_mode=True).plan.steps)
    archive = offered.versions(map(form.of, releases), fresh=True, coming=run.desired.repository)
    lost = {release: form.of(release) for release in releases if not archive[form.of(release)]}
    if lost:
        raise kernel_packages.refusal(form, lost)
    return list(map(Wanted, archive))


def _registered(run: Run) -> list[tuple[str, str]]:
    """Return name and version of the driver's modules that DKMS builds; other drivers may have left others."""
    wanted = _version(run)
    return [(name, of) for name, of in dkms.registered() if of == wanted] if run.desired.is_built else []


def _version(run: Run) -> str:
    """Return the declared version; where any is right, it is that of the package with the module's source."""
    desired = run.desired
    return desired.version or transaction.upstream(run.manager.installed().get(desired.dkms, ""))


def _nouveau_changes() -> list[kept_files.Change]:
    return kept_files.changes(driver_request.nouveau_files(has_dracut=os.path.isdir("/etc/dracut.conf.d")))


def _initramfs_tool(run: Run) -> initramfs.Tool | None:
    return None if run.desired.container else initramfs.tool()


def _way_to_modules(desired: Desired) -> str:
    if desired.is_built:
        return "Run `dkms status` on the node and look below /var/lib/dkms for why it has none, or remove that kernel"
    return "Choose a source that builds modules on the node, or remove that kernel"


def _words(kernel: Kernel) -> str:
    return "%s %s" % (kernel.module.version, kernel.module.flavour) if kernel.module else ""


def _releases(kernels: Sequence[Kernel]) -> str:
    return ", ".join(kernel.release for kernel in kernels)
