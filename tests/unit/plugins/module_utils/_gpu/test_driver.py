# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which a node gets its driver, on a node whose kernels, packages and programs are pretended."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    dkms,
    driver,
    driver_request,
    initramfs,
    leftovers,
    linux_kernels,
    loaded_driver,
    nvidia_driver,
    runfile,
    secure_boot,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired, Runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.initramfs import Image
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.leftovers import Leftovers, Registration
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.runfile import Found
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, disk_space, kept_files, made, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import damage, owners
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Refused
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

OLD, NEW = "580.159.03", "580.178.04"
OPEN, PROPRIETARY = Module(NEW, "open", signed=True), Module(NEW, "proprietary", signed=True)
SOURCES = {"open": "nvidia-kernel-open-dkms", "proprietary": "nvidia-kernel-dkms"}
REFUSED = EvenkeelError("It can't be", "Change that")


def desired(flavour: str = "open", **more: object) -> Desired:
    """Return a driver out of packages; nothing is held."""
    (other,) = set(SOURCES) - {flavour}
    given: dict[str, object] = {
        "version": NEW,
        "packages": (Wanted(SOURCES[flavour], NEW),),
        "absent": (SOURCES[other],),
        "family": ("nvidia-*",),
        "dkms": SOURCES[flavour],
        "hold": False,
        "hold_kernel": False,
        "persistence": False,
    }
    return Desired(flavour, gpu=True, **{**given, **more})  # type: ignore[arg-type]


def of_installer(flavour: str = "open") -> Desired:
    more = {"packages": (), "absent": (), "family": (), "dkms": ""}
    return desired(flavour, runfile=Runfile("http://m/x.run", "0" * 64), **more)


@dataclass
class Node:
    """A node with a GPU; ``done`` lists what a run has done to it, in order.

    Parameters
    ----------
    registered
        The names and versions of the modules that DKMS builds.
    images
        The initial RAM disks that are rebuilt.
    """

    manager: FakeManager
    kernels: list[Kernel] = field(default_factory=list)
    loaded: Loaded = field(default_factory=Loaded)
    registered: list[tuple[str, str]] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    installer: str = ""
    left: Leftovers = field(default_factory=Leftovers)
    offered: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def set_modules(self, module: Module) -> None:
        """Have every kernel load this module."""
        self.kernels = [dataclasses.replace(kernel, modules=(module,)) for kernel in self.kernels]

    def changes(self) -> list[str]:
        """Return what changed on the node, packages included."""
        return self.done + [call for call in self.manager.calls if not call.startswith("staged: ")]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node that runs the open module of 580.178.04 out of packages, as it should be."""
    packages = {"dkms": "3", SOURCES["open"]: f"{NEW}-1"}
    repositories = {name: [f"{NEW}-1", f"{OLD}-1"] for name in SOURCES.values()}
    kernel = Kernel("6.1.0-49", running=True, modules=(OPEN,))
    found = Node(FakeManager(packages, repositories=repositories), [kernel], Loaded(NEW, "open"))
    found.manager.serve(monkeypatch)
    found.registered = [("nvidia", NEW)]

    def build(name: str, version: str, release: str, *, again: bool) -> None:
        found.done.append(f"dkms {name} {version} {release}{' again' if again else ''}")

    def install(url: str, sha256: str, version: str, flavour: str) -> None:
        found.done.append(f"installer {version} {flavour}")
        assert (url, sha256) == ("http://m/x.run", "0" * 64)
        found.set_modules(Module(version, flavour, signed=True))

    def load(argv: Sequence[str], remedy: str) -> str:
        found.done.append(" ".join(argv))
        module = found.kernels[0].module
        found.loaded = Loaded(module.version, module.flavour) if module else Loaded()
        return ""

    def kernels(system: Sysroot) -> list[Kernel]:
        assert system.is_own
        return list(found.kernels)

    def images_of(tool: initramfs.Tool, releases: Sequence[str]) -> list[Image]:
        assert tool in initramfs.TOOLS
        return [image for image in found.images if image.release in releases]

    def rebuild(tool: initramfs.Tool, images: Sequence[Image]) -> None:
        found.done.extend(f"rebuild {image.path}" for image in images)

    monkeypatch.setattr(linux_kernels, "read", kernels)
    monkeypatch.setattr(loaded_driver, "read", lambda system: found.loaded)
    monkeypatch.setattr(dkms, "registered", lambda: list(found.registered))
    monkeypatch.setattr(dkms, "logs", dict)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: None)
    monkeypatch.setattr(dkms, "build", build)

    def remove(left: Leftovers, manager: str) -> None:
        assert (left, manager) == (found.left, found.manager.name)
        found.done.append("removed leftovers")
        found.left = Leftovers()

    monkeypatch.setattr(damage, "damaged", lambda names, manager: [])
    monkeypatch.setattr(leftovers, "find", lambda *arguments, **options: found.left)
    monkeypatch.setattr(leftovers, "remove", remove)
    monkeypatch.setattr(leftovers, "clear_kernels", lambda left: found.done.append("cleared kernels"))
    monkeypatch.setattr(runfile, "find", lambda manager, packaged: found.left.installer)
    monkeypatch.setattr(runfile, "installed", lambda: found.installer)
    monkeypatch.setattr(runfile, "install", install)
    monkeypatch.setattr(runfile, "require_offered", found.offered.append)
    monkeypatch.setattr(initramfs, "tool", lambda: initramfs.TOOLS[0])
    monkeypatch.setattr(initramfs, "images", images_of)
    monkeypatch.setattr(initramfs, "stale", lambda images, written, now: list(images))
    monkeypatch.setattr(initramfs, "rebuild", rebuild)
    monkeypatch.setattr(initramfs, "with_nouveau", lambda tool, images, settings: [])
    monkeypatch.setattr(secure_boot, "require_enrolled", lambda key, make: None)
    monkeypatch.setattr(services, "change", lambda name, run: None)
    monkeypatch.setattr(command, "require", load)
    monkeypatch.setattr(kept_files, "apply_all", lambda changes: found.done.extend(one.path for one in changes))
    monkeypatch.setattr(driver_request, "package_files", lambda desired, manager: {})
    monkeypatch.setattr(driver, "MODPROBE", __file__)
    monkeypatch.setattr(driver, "_nouveau_changes", list)
    return found


def test_a_node_that_is_as_it_should_be_is_left_alone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    # A /boot that is full is no problem where nothing is written to it.
    monkeypatch.setattr(initramfs, "require_room", _refuse)
    monkeypatch.setattr(disk_space.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    outcome = driver.converge(desired(), check_mode=False)
    assert not outcome.changed
    assert node.changes() == []
    assert (outcome.version, outcome.flavour, outcome.reboot) == (NEW, "open", ())


def test_the_other_flavour_of_the_same_version_needs_a_reboot(node: Node) -> None:
    node.manager.during = {"apply": lambda: node.set_modules(PROPRIETARY)}
    outcome = driver.converge(desired("proprietary"), check_mode=False)
    assert outcome.changed
    assert node.manager.packages == {"dkms": "3", SOURCES["proprietary"]: f"{NEW}-1"}
    assert (outcome.version, outcome.flavour) == (NEW, "proprietary")
    assert outcome.reboot == ("the open module is loaded, and the proprietary one is installed",)
    again = driver.converge(desired("proprietary"), check_mode=False)
    assert not again.changed
    assert again.reboot == outcome.reboot


def test_a_kernel_that_runs_and_can_no_longer_be_booted_is_judged_as_gpu_facts_does(node: Node) -> None:
    (running,) = node.kernels
    node.kernels = [dataclasses.replace(running, bootable=False), Kernel("6.1.0-50", modules=(OPEN,))]
    node.loaded = Loaded(OLD, "open")
    outcome = driver.converge(desired(), check_mode=False)
    assert outcome.reboot == (f"the driver {OLD} is loaded, and {NEW} is installed",)
    assert [kernel.release for kernel in outcome.kernels] == ["6.1.0-50"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_kernel_whose_module_cannot_be_written_is_refused_before_any_change(
    check_mode: bool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.set_modules(dataclasses.replace(OPEN, version=OLD))
    node.manager.packages[SOURCES["open"]] = f"{OLD}-1"
    monkeypatch.setattr(disk_space.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(EvenkeelError, match=r"/lib/modules/6\.1\.0-49 cannot be written to: \S+ is mounted read-only"):
        driver.converge(desired(), check_mode=check_mode)
    assert node.changes() == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_node_without_room_for_the_packages_is_refused_before_any_change(check_mode: bool, node: Node) -> None:
    node.manager.packages[SOURCES["open"]] = f"{OLD}-1"
    node.manager.size = {f"{SOURCES['open']}={NEW}-1": 1 << 62}
    with pytest.raises(EvenkeelError, match=r"needs \d+ MiB in /usr, and \d+ MiB are free"):
        driver.converge(desired(), check_mode=check_mode)
    assert set(node.changes()) <= {"wait"}


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_installer_runs_for_another_flavour_of_the_same_version(check_mode: bool, node: Node) -> None:
    node.manager.packages = {"dkms": "3", "gcc": "12"}
    node.installer = NEW
    outcome = driver.converge(of_installer("proprietary"), check_mode=check_mode)
    assert outcome.changed
    assert outcome.diffs[0] == {
        "before_header": "NVIDIA's installer",
        "after_header": "NVIDIA's installer",
        "before": f"{NEW} open\n",
        "after": f"{NEW} proprietary\n",
    }
    assert node.changes() == ([] if check_mode else [f"installer {NEW} proprietary"])
    assert node.offered == ["http://m/x.run"] * check_mode
    reason = "the open module is loaded, and the proprietary one is installed"
    assert outcome.reboot == (() if check_mode else (reason,))


@pytest.mark.parametrize(
    ("installer", "module", "runs"),
    [(NEW, OPEN, False), (OLD, OPEN, True), ("", OPEN, True), (NEW, PROPRIETARY, True)],
    ids=["as it should be", "another version", "none", "another flavour"],
)
def test_the_installer_runs_where_version_or_flavour_differ(
    installer: str, module: Module, runs: bool, node: Node
) -> None:
    node.manager.packages = {"dkms": "3", "gcc": "12"}
    node.installer = installer
    node.set_modules(module)
    outcome = driver.converge(of_installer(), check_mode=False)
    assert node.changes() == [f"installer {NEW} open"] * runs
    before = f"{installer} {module.flavour}\n" if installer else ""
    assert [diff["before"] for diff in outcome.diffs] == [before] * runs
    assert [thing.name for thing in made.read("nvidia_driver")] == [runfile.UNINSTALLER] * (not installer)


def test_the_installer_is_not_run_over_packages(node: Node) -> None:
    with pytest.raises(EvenkeelError, match="A driver is installed by packages: nvidia-kernel-open-dkms"):
        driver.converge(of_installer(), check_mode=False)
    assert node.changes() == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_kernel_that_has_its_headers_package_and_no_headers_is_refused(check_mode: bool, node: Node) -> None:
    node.kernels += [Kernel("6.1.0-own", headers=False, modules=(OPEN,))]
    node.manager.packages["linux-headers-6.1.0-own"] = "1"
    with pytest.raises(EvenkeelError, match=r"The headers of the kernel 6\.1\.0-own are missing"):
        driver.converge(desired(), check_mode=check_mode)
    assert node.changes() == []
    driver.converge(desired(dkms=""), check_mode=check_mode)


def test_a_kernel_without_the_module_gets_it_and_a_module_of_the_other_flavour_is_replaced(node: Node) -> None:
    other = Kernel("6.1.0-50", modules=(PROPRIETARY,))
    node.kernels += [other, Kernel("6.1.0-51")]
    with pytest.raises(EvenkeelError, match=r"The kernel 6.1.0-50, 6.1.0-51 has no open module of the driver 580.178"):
        driver.converge(desired(), check_mode=False)
    assert node.done == [f"dkms nvidia {NEW} 6.1.0-50 again", f"dkms nvidia {NEW} 6.1.0-51"]
    outcome = driver.converge(desired(), check_mode=True)
    shown = [(diff["before_header"], diff["before"], diff["after"]) for diff in outcome.diffs]
    assert shown == [
        ("module for 6.1.0-50", f"{NEW} proprietary\n", f"{NEW} open\n"),
        ("module for 6.1.0-51", "", f"{NEW} open\n"),
    ]


@pytest.mark.parametrize("version", [NEW, ""])
def test_what_an_installer_of_the_past_has_registered_is_not_built(version: str, node: Node) -> None:
    node.registered = [("nvidia", OLD), ("nvidia", NEW)]
    wanted = (Wanted(SOURCES["open"], version),)
    driver.converge(desired(version=version, packages=wanted), check_mode=False)
    assert node.done == []


def test_a_kernel_without_a_module_gets_that_of_the_package_where_its_version_counts(node: Node) -> None:
    node.registered = [("nvidia", OLD), ("nvidia", NEW)]
    node.kernels.append(Kernel("6.1.0-50"))
    shown = driver.converge(desired(version="", packages=(Wanted(SOURCES["open"], ""),)), check_mode=True).diffs
    assert [(diff["before_header"], diff["after"]) for diff in shown] == [("module for 6.1.0-50", f"{NEW} open\n")]


def test_modules_that_the_distribution_has_built_are_not_built_over_by_what_is_registered(node: Node) -> None:
    node.registered = [("nvidia", OLD)]
    driver.converge(desired(version="", packages=(), dkms=""), check_mode=False)
    assert node.done == []


@pytest.mark.parametrize(("signs", "refused"), [(True, False), (False, True)])
def test_an_unsigned_module_is_built_again_where_signatures_count(
    signs: bool, refused: bool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsigned = dataclasses.replace(OPEN, signed=False)
    node.set_modules(unsigned)
    node.manager.packages |= {"mokutil": "1", "openssl": "1"}
    driver.converge(desired(), check_mode=False)
    assert node.done == []

    def build(name: str, version: str, release: str, *, again: bool) -> None:
        node.done.append(f"{release} {again}")
        node.set_modules(OPEN if signs else unsigned)

    monkeypatch.setattr(dkms, "build", build)
    if refused:
        with pytest.raises(EvenkeelError, match=r"for the kernel 6\.1\.0-49 is not signed"):
            driver.converge(desired(secure_boot=True), check_mode=False)
    else:
        driver.converge(desired(secure_boot=True), check_mode=False)
    assert node.done == ["6.1.0-49 True"]
    node.set_modules(unsigned)
    _key, shown = driver.converge(desired(secure_boot=True), check_mode=True).diffs
    assert (shown["before_header"], shown["before"], shown["after"]) == (
        "module for 6.1.0-49",
        "unsigned\n",
        "signed\n",
    )


def _refuse(*arguments: object, **options: object) -> None:
    raise REFUSED


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ((initramfs, "require_room"), {}),
        ((runfile, "require_no_packages"), {"runfile": Runfile("u", "s"), "packages": (), "absent": (), "dkms": ""}),
        ((dkms, "require_headers"), {}),
        ((secure_boot, "require_enrolled"), {"secure_boot": True}),
    ],
    ids=["no room in /boot", "two sources", "no headers", "no key"],
)
def test_what_stands_in_the_way_is_found_before_the_driver_changes(
    what: tuple[object, str], more: dict[str, object], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.manager.packages |= {"mokutil": "1", "openssl": "1"}
    monkeypatch.setattr(*what, _refuse)
    monkeypatch.setattr(driver, "_nouveau_changes", lambda: [kept_files.Change("/x", None, None)])
    with pytest.raises(EvenkeelError, match="It can't be"):
        driver.converge(desired("proprietary", **more), check_mode=False)
    assert node.changes() == []


def test_the_drivers_own_problems_are_reported_before_its_prerequisites_are_installed(node: Node) -> None:
    node.manager.packages = {}
    node.manager.repositories = {"dkms": ["3"]}
    with pytest.raises(EvenkeelError, match="No repository of the node has the package nvidia-kernel-open-dkms"):
        driver.converge(desired(), check_mode=False)
    assert node.changes() == []


def test_an_interrupted_transaction_is_finished_before_anything_is_asked_of_the_repositories(node: Node) -> None:
    node.manager.packages = {}
    node.manager.unfinished = ["libcuda1"]
    node.manager.repositories = {**node.manager.repositories, "dkms": ["3"]}
    outcome = driver.converge(desired(), check_mode=False)
    assert node.manager.calls[0] == "heal"
    assert outcome.healed == ("libcuda1",)


def test_a_driver_that_cannot_be_finished_is_removed_before_others_come(node: Node) -> None:
    node.manager.packages = {"nvidia-kernel-dkms": "590.48.01-1"}
    node.manager.unfinished, node.manager.stubborn = ["nvidia-kernel-dkms"], ["nvidia-kernel-dkms"]
    node.manager.repositories = {**node.manager.repositories, "dkms": ["3"]}
    outcome = driver.converge(desired(family=("nvidia-kernel-*",)), check_mode=False)
    removed, tools, driver_comes = (call for call in node.manager.calls if call.startswith("apply "))
    assert (removed, "dkms" in tools, SOURCES["open"] in driver_comes) == ("apply nvidia-kernel-dkms-", True, True)
    assert outcome.healed == ("nvidia-kernel-dkms",)


def test_what_is_finished_alone_is_a_change(node: Node) -> None:
    node.manager.unfinished = ["libcuda1"]
    outcome = driver.converge(desired(), check_mode=True)
    assert (outcome.changed, outcome.healed, outcome.diffs) == (True, ("libcuda1",), ())
    assert node.changes() == []


def test_an_upgrade_is_built_on_trial(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[list[str]] = []
    monkeypatch.setattr(dkms, "try_build", lambda source, kernels: tried.append(list(kernels)) or 1)
    node.manager.packages[SOURCES["open"]] = f"{OLD}-1"
    conf = {"/usr/src/nvidia-580.178.04/dkms.conf": "PACKAGE_VERSION=580.178.04\n"}
    node.manager.contents = {**conf, "/usr/src/nvidia-580.178.04/Makefile": "modules:\n"}
    assert "on trial" not in " ".join(driver.converge(desired(), check_mode=False).left)
    assert tried == [["6.1.0-49"]]


def test_a_module_that_could_not_be_built_on_trial_is_reported(node: Node) -> None:
    node.manager.packages[SOURCES["open"]] = f"{OLD}-1"
    (reason, *_rest) = driver.converge(desired(), check_mode=False).left
    assert reason.startswith("the module was not built on trial before the packages changed: no package")


def test_what_another_driver_has_left_is_named_and_changes_nothing(node: Node) -> None:
    node.left = Leftovers(registrations=(Registration("nvidia", "595.91.07"), Registration("nvidia", "570.211.01")))
    for check_mode in (False, True):
        outcome = driver.converge(desired(), check_mode=check_mode)
        assert not outcome.changed
        assert outcome.left == tuple(node.left.named())
    assert node.changes() == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_module_that_would_be_loaded_instead_of_the_declared_one_is_taken_away(
    check_mode: bool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Module("595.91.07", "open", path="/lib/modules/6.1.0-49/updates/nvidia.ko", signed=True)
    node.kernels = [dataclasses.replace(node.kernels[0], modules=(other, OPEN))]

    def take_away(files: Sequence[str], release: str, version: str) -> None:
        node.done.append(" ".join(["take away", *files, release, version]))
        node.set_modules(OPEN)

    monkeypatch.setattr(leftovers, "take_away", take_away)
    monkeypatch.setattr(owners, "owned", lambda paths, manager: set())
    outcome = driver.converge(desired(dkms=""), check_mode=check_mode)
    assert [(diff["before"], diff["after"]) for diff in outcome.diffs] == [(f"{other.path}\n", "")]
    assert node.done == [f"take away {other.path} 6.1.0-49 {NEW}"] * (not check_mode)
    assert driver.converge(desired(dkms=""), check_mode=False).changed is check_mode


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_another_driver_has_left_is_removed_on_request(check_mode: bool, node: Node) -> None:
    node.left = Leftovers(Found(("/usr/lib64/libcuda.so.595.1",), uninstaller=True), (Registration("nvidia", "595.1"),))
    outcome = driver.converge(desired(remove_leftovers=True), check_mode=check_mode)
    (shown,) = outcome.diffs
    assert shown["before"].splitlines() == ["/usr/lib64/libcuda.so.595.1", runfile.UNINSTALLER, "dkms: nvidia/595.1"]
    assert (shown["after"], outcome.left) == ("", ())
    assert node.changes() == ["removed leftovers", "sources"] * (not check_mode)
    assert driver.converge(desired(remove_leftovers=True), check_mode=False).changed is check_mode


LEFT = Found(("/usr/lib64/libcuda.so.595.1",), uninstaller=True)


@pytest.mark.parametrize(
    ("left", "damaged", "family", "again"),
    [
        (LEFT, {SOURCES["open"], "bash"}, ("nvidia-*",), [SOURCES["open"]]),
        (LEFT, set(), ("nvidia-*",), []),
        (LEFT, {"bash"}, ("nvidia-*",), []),
        (Found(LEFT.libraries), {SOURCES["open"]}, ("nvidia-*",), []),
        (Found(uninstaller=True), {SOURCES["open"]}, ("nvidia-*",), []),
    ],
    ids=["a package lacks files", "none does", "another's", "no uninstaller ran", "the uninstaller was only removed"],
)
def test_packages_get_the_files_back_that_the_uninstaller_has_taken_away(
    left: Found,
    damaged: set[str],
    family: tuple[str, ...],
    again: list[str],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node.left = Leftovers(left)
    node.manager.packages["bash"] = "5"
    node.manager.holds = {SOURCES["open"]}
    node.manager.during = {"reinstall": damaged.clear}
    monkeypatch.setattr(damage, "damaged", lambda names, manager: sorted(damaged.intersection(names)))
    outcome = driver.converge(desired(remove_leftovers=True, family=family, hold=True), check_mode=False)
    done = [call for call in node.changes() if call.startswith("reinstall")]
    assert done == [f"reinstall {name}" for name in again]
    shown = [diff["before"] for diff in outcome.diffs if diff["before_header"] == "packages without all their files"]
    assert shown == [f"{name}\n" for name in again]
    assert node.manager.holds == {SOURCES["open"]}


def test_a_package_that_no_repository_has_any_more_can_not_get_its_files_back(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.left = Leftovers(LEFT)
    monkeypatch.setattr(damage, "damaged", lambda names, manager: [SOURCES["open"]])
    with pytest.raises(EvenkeelError, match=f"has taken away files of the packages {SOURCES['open']}"):
        driver.converge(desired(remove_leftovers=True), check_mode=False)


def test_what_another_driver_has_left_goes_before_packages_come(node: Node) -> None:
    node.left = Leftovers(Found(("/usr/lib64/libcuda.so.595.1",), uninstaller=True))
    node.kernels = [Kernel("6.1.0-49", running=True)]
    node.manager.packages = {"dkms": "3"}

    def apply() -> None:
        node.done.append("packages")
        node.set_modules(OPEN)

    node.manager.during = {"apply": apply}
    outcome = driver.converge(desired(remove_leftovers=True), check_mode=False)
    assert node.done[:3] == ["removed leftovers", "cleared kernels", "packages"]
    assert len([diff for diff in outcome.diffs if "left by" in diff["before_header"]]) == 1


def test_a_driver_of_the_installer_is_refused_under_packages_before_any_change(node: Node) -> None:
    node.left = Leftovers(Found(("/usr/lib64/libcuda.so.595.1",), uninstaller=True))
    node.manager.packages = {}
    for check_mode in (False, True):
        with pytest.raises(EvenkeelError, match=r"driver 595\.1 on the node: .*nvidia-uninstall --silent.*remove_left"):
            driver.converge(desired(), check_mode=check_mode)
    assert node.changes() == []


def test_a_record_of_an_installer_that_is_undone_goes(node: Node) -> None:
    made.note("nvidia_driver", [made.Thing("file", runfile.UNINSTALLER)])
    node.left = Leftovers(Found(("/usr/lib64/libcuda.so.595.1",), uninstaller=True))
    driver.converge(desired(remove_leftovers=True), check_mode=False)
    assert made.read("nvidia_driver") == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_key_is_made_only_where_something_may_change(
    check_mode: bool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.manager.packages |= {"mokutil": "1", "openssl": "1"}
    makes: list[bool] = []
    key = secure_boot.Key("/nowhere/mok.pub", "/nowhere/mok.key")
    monkeypatch.setattr(secure_boot, "key_of_node", lambda system: key)
    monkeypatch.setattr(secure_boot, "require_enrolled", lambda key, make: makes.append(make))
    outcome = driver.converge(desired(secure_boot=True), check_mode=check_mode)
    driver.converge(desired(secure_boot=True, dkms=""), check_mode=check_mode)
    assert makes == [True] * (not check_mode)
    planned = [diff["after"] for diff in outcome.diffs if diff["after_header"] == key.certificate]
    assert planned == ["a key, to be enrolled before the driver can be installed\n"] * check_mode
    recorded = [thing.name for thing in made.read("nvidia_driver") if thing.kind == "file"]
    assert recorded == [key.private, key.certificate] * (not check_mode)


def test_a_key_that_was_there_is_nobodys_to_record(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node.manager.packages |= {"mokutil": "1", "openssl": "1"}
    key = secure_boot.Key(str(tmp_path / "mok.pub"), str(tmp_path / "mok.key"))
    Path(key.private).touch()
    monkeypatch.setattr(secure_boot, "key_of_node", lambda system: key)
    driver.converge(desired(secure_boot=True), check_mode=False)
    assert [thing.name for thing in made.read("nvidia_driver") if thing.kind == "file"] == [key.certificate]


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_settings_against_nouveau_are_written(
    check_mode: bool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = kept_files.Change("/etc/modprobe.d/nouveau.conf", None, kept_files.Kept("blacklist nouveau\n"))
    monkeypatch.setattr(driver, "_nouveau_changes", lambda: [change])
    monkeypatch.setattr(initramfs, "require_room", lambda images: None)
    outcome = driver.converge(desired(), check_mode=check_mode)
    assert outcome.diffs == (change.diff(),)
    assert node.done == [change.path] * (not check_mode)


def test_prerequisites_come_before_the_driver(node: Node) -> None:
    node.manager.packages = {"linux-image-amd64": "6.1"}
    node.manager.repositories = {
        **node.manager.repositories,
        "dkms": ["3"],
        "linux-headers-amd64": ["6.1"],
    }
    outcome = driver.converge(desired(), check_mode=False)
    applied = [call for call in node.changes() if call.startswith("apply ")]
    assert applied == ["apply dkms linux-headers-amd64", f"apply {SOURCES['open']}={NEW}-1"]
    assert outcome.packages == ("dkms 3", "linux-headers-amd64 6.1", f"{SOURCES['open']} {NEW}-1")
    assert len(outcome.diffs) == 2


def test_what_could_not_be_rehearsed_is_something_to_do(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.manager.user = "/lock is locked by apt, pid 7"
    node.manager.failures = {"simulate": Refused("broken", "Look")}
    node.manager.packages, node.kernels[0] = {}, dataclasses.replace(node.kernels[0], headers=False)
    node.manager.repositories = {**node.manager.repositories, "dkms": ["3"], "linux-headers-6.1.0-49": ["6.1"]}
    monkeypatch.setattr(driver, "_nouveau_changes", list)
    outcome = driver.converge(desired(), check_mode=True)
    (why,) = outcome.unknown
    assert "because /lock is locked by apt, pid 7; as the node is now: broken" in why
    assert (outcome.changed, outcome.diffs, node.done) == (True, (), [])


def test_the_headers_are_those_of_the_distribution(node: Node) -> None:
    node.manager.name = "dnf"
    node.manager.repositories = {**node.manager.repositories, "kernel-devel-6.1.0-49": ["6.1"]}
    node.kernels = [dataclasses.replace(kernel, headers=False) for kernel in node.kernels]
    assert driver.converge(desired(), check_mode=True).packages == ("kernel-devel-6.1.0-49 6.1",)


@pytest.mark.parametrize(
    ("loaded", "more", "loads"),
    [
        (Loaded(), {}, True),
        (Loaded(OLD, "open"), {}, False),
        (Loaded(nouveau=True), {}, False),
        (Loaded(), {"gpu": False}, False),
        (Loaded(), {"container": True}, False),
    ],
    ids=["nothing is loaded", "another driver", "nouveau", "no GPU", "a container"],
)
def test_the_module_is_loaded_where_nothing_else_is(
    loaded: Loaded, more: dict[str, object], loads: bool, node: Node
) -> None:
    node.loaded = loaded
    outcome = driver.converge(dataclasses.replace(desired(), **more), check_mode=False)  # type: ignore[arg-type]
    assert node.done == ["modprobe nvidia"] * loads
    assert outcome.changed is loads
    assert ("nouveau holds the GPU" in outcome.reboot) is loaded.nouveau


def test_initial_ram_disks_older_than_the_settings_are_rebuilt(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.images = [Image("6.1.0-49", "/boot/initrd.img-6.1.0-49", 1, 1)]
    assert driver.converge(desired(), check_mode=True).changed
    assert node.done == []
    driver.converge(desired(), check_mode=False)
    assert node.done == ["rebuild /boot/initrd.img-6.1.0-49"]
    monkeypatch.setattr(initramfs, "with_nouveau", lambda tool, images, settings: images)
    with pytest.raises(EvenkeelError, match=r"nouveau is still in /boot/initrd\.img-6\.1\.0-49"):
        driver.converge(desired(), check_mode=False)
    node.done.clear()
    driver.converge(desired(container=True), check_mode=False)
    assert node.done == []


@dataclass
class Service:
    """A service that would be enabled."""

    name: str
    done: list[str]

    def diff(self) -> dict[str, str]:
        return {"before": "", "after": self.name}

    def apply(self, *by: str) -> None:
        self.done.append(self.name)


@pytest.mark.parametrize(("loaded", "now"), [(Loaded(NEW, "open"), True), (Loaded(nouveau=True), False)])
@pytest.mark.parametrize("check_mode", [False, True])
def test_services_are_started_where_the_driver_is_loaded(
    loaded: Loaded, now: bool, check_mode: bool, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def change(name: str, run: bool) -> Service:
        asked.append((name, run))
        return Service(name, node.done)

    monkeypatch.setattr(services, "change", change)
    monkeypatch.setattr(driver, "_UNITS", str(tmp_path))
    (tmp_path / "nvidia-persistenced.service").touch()
    node.loaded = loaded
    outcome = driver.converge(desired(persistence=True, fabric_manager=True), check_mode=check_mode)
    names = ["nvidia-persistenced.service", "nvidia-fabricmanager.service"]
    # In check mode, the unit of a package that is not installed yet is not there to be asked of.
    assert asked == [(name, now) for name in names[: 1 if check_mode else 2]]
    assert node.done == ([] if check_mode else names)
    assert len(outcome.diffs) == len(asked)


def test_an_installer_has_no_unit_of_the_persistence_daemon_to_enable(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "change", lambda name, run: Service(name, node.done))
    node.manager.packages, node.installer = {"dkms": "3", "gcc": "12"}, NEW
    outcome = driver.converge(dataclasses.replace(of_installer(), persistence=True), check_mode=False)
    assert node.done == []
    assert "has no systemd unit" in outcome.left[0]


@pytest.mark.parametrize(("kernels", "expected"), [(True, (NEW, "open")), (False, ("", ""))])
def test_the_module_describes_the_kernels_that_may_boot(
    kernels: bool, expected: tuple[str, str], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.kernels = node.kernels if kernels else []
    asked: list[Desired] = []
    converge: Callable[..., driver.Outcome] = driver.converge

    def of_packages(wanted: Desired, *, check_mode: bool) -> driver.Outcome:
        asked.append(wanted)
        return converge(desired(), check_mode=check_mode)

    monkeypatch.setattr(driver, "converge", of_packages)
    options: dict[str, object] = {"repository": None, "packages": [], "absent": [], "family": ["nvidia-*"]}
    options |= {"companions": [], "runfile": None, "state": "present"}
    found = nvidia_driver.converge({**options, "flavour": "open", "gpu": True, "warn": []}, True)
    assert (found["version"], found["flavour"]) == expected
    assert (
        found["kernels"]
        == [{"release": "6.1.0-49", "headers": True, "module": NEW, "flavour": "open", "signed": True}][:kernels]
    )
    assert asked[0].family == ("nvidia-*",)
