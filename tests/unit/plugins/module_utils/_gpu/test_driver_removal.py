# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver that Evenkeel has brought goes with all that kept it working; drivers of others, kernels and keys stay."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cuda_repository,
    driver_removal,
    driver_request,
    initramfs,
    linux_kernels,
    loaded_driver,
    nvidia_driver,
    runfile,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver import Outcome
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.initramfs import Image
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.runfile import Found
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import foreign_sources, repository_removal

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

VERSION = "580.178.04"
DRIVER = ("nvidia-kernel-open-dkms", "nvidia-driver-cuda", "dkms")
KERNEL = "linux-image-6.1.0-50-amd64"
SERVICE = "nvidia-persistenced.service"
KEPT_OFF = ("preferences", "unattended", "modprobe", "dracut")


@dataclass
class Node:
    """A node with a driver; ``done`` lists what a run has done to it beside packages, in order."""

    manager: FakeManager
    folder: Path
    kernels: list[Kernel]
    loaded: Loaded = field(default_factory=lambda: Loaded(VERSION, "open"))
    installer: Found = field(default_factory=Found)
    done: list[str] = field(default_factory=list)

    def files(self) -> list[str]:
        """Return the settings that are there."""
        return [name for name in KEPT_OFF if (self.folder / f"evenkeel-{name}").exists()]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    module = Module(VERSION, "open", "/lib/modules/6.1/nvidia.ko")
    packages = dict.fromkeys((*DRIVER, "vim"), f"{VERSION}-1")
    found = Node(
        FakeManager(packages, holds={DRIVER[0], "vim"}), tmp_path, [Kernel("6.1", running=True, modules=(module,))]
    )
    found.manager.serve(monkeypatch)
    for name in KEPT_OFF:
        path = tmp_path / f"evenkeel-{name}"
        path.write_text("ours\n")
        monkeypatch.setattr(driver_request, name.upper(), str(path))
        if hasattr(driver_removal, name.upper()):
            monkeypatch.setattr(driver_removal, name.upper(), str(path))
    (tmp_path / SERVICE).touch()

    def removed(name: str) -> list[Kernel]:
        kept = (module,) if DRIVER[0] in found.manager.packages else ()
        return [Kernel(kernel.release, running=kernel.running, modules=kept) for kernel in found.kernels]

    def images(tool: initramfs.Tool, releases: Sequence[str]) -> list[Image]:
        return [Image(release, f"/boot/initrd.img-{release}", 1, 1) for release in releases]

    def uninstall(manager: str) -> None:
        found.done.append("uninstalled")
        found.installer = Found()

    def without_driver() -> tuple[repository_removal.Removal, tuple[str, ...]]:
        back = foreign_sources.Return({}, (), (), ())
        return repository_removal.Removal((), back, {}), ()

    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    monkeypatch.setattr(driver_removal, "_UNITS", (str(tmp_path),))
    monkeypatch.setattr(driver_removal.command, "require", lambda argv, _: found.done.append(" ".join(argv[1:])))
    monkeypatch.setattr(linux_kernels, "read", removed)
    monkeypatch.setattr(loaded_driver, "read", lambda system: found.loaded)
    monkeypatch.setattr(initramfs, "tool", lambda: initramfs.TOOLS[0])
    monkeypatch.setattr(initramfs, "images", images)
    monkeypatch.setattr(initramfs, "require_room", lambda images: None)
    monkeypatch.setattr(initramfs, "rebuild", lambda tool, images: found.done.extend(one.path for one in images))
    monkeypatch.setattr(runfile, "find", lambda manager, packaged: found.installer)
    monkeypatch.setattr(runfile, "installed", lambda: VERSION if found.installer.uninstaller else "")
    monkeypatch.setattr(runfile, "remove", uninstall)
    monkeypatch.setattr(cuda_repository, "without_driver", without_driver)
    return found


def recorded(*names: str, **others: str) -> None:
    things = [Thing("package", name) for name in names or DRIVER]
    things += [Thing("hold", DRIVER[0]), *(Thing(kind, name) for kind, name in others.items())]
    made.note("nvidia_driver", things)


def remove(*, check_mode: bool = False, container: bool = False) -> Outcome:
    return driver_removal.remove(container=container, lock_timeout=7, check_mode=check_mode)


def test_the_driver_goes_with_all_that_kept_it_working(node: Node) -> None:
    recorded(service=SERVICE)
    rehearsed = remove(check_mode=True)
    assert (rehearsed.changed, node.done, node.files()) == (True, [], list(KEPT_OFF))
    outcome = remove()
    assert outcome.diffs == rehearsed.diffs
    assert (node.manager.packages, node.manager.holds) == ({"vim": f"{VERSION}-1"}, {"vim"})
    assert node.done == [f"disable --now {SERVICE}", "/boot/initrd.img-6.1"]
    assert (node.files(), made.read("nvidia_driver"), outcome.left) == ([], [], ())
    assert outcome.reboot == rehearsed.reboot == (f"the driver {VERSION} is loaded, and none is installed",)
    again = remove()
    assert (again.changed, again.reboot, node.done[2:]) == (False, outcome.reboot, [])


def test_a_container_boots_nothing(node: Node) -> None:
    recorded()
    outcome = remove(container=True)
    assert (node.done, node.files(), outcome.reboot) == ([], [], ())


def test_a_node_without_a_driver_says_nothing(node: Node) -> None:
    node.manager.packages, node.loaded = {"vim": "1"}, Loaded()
    for name in KEPT_OFF:
        (node.folder / f"evenkeel-{name}").unlink()
    outcome = remove()
    assert (outcome.changed, outcome.left, outcome.reboot, outcome.diffs, node.done) == (False, (), (), (), [])


def test_a_driver_that_no_record_names_stays_with_what_keeps_nouveau_off(node: Node) -> None:
    node.manager.holds.add("linux-image-amd64")
    outcome = remove()
    assert set(node.manager.packages) == {*DRIVER, "vim"}
    assert (node.files(), node.done, outcome.reboot) == (["modprobe", "dracut"], [], ())
    no_record = "no record says that Evenkeel has"
    assert outcome.left == (
        f"the driver's packages nvidia-driver-cuda, nvidia-kernel-open-dkms: {no_record} installed them",
        f"the holds of linux-image-amd64, nvidia-kernel-open-dkms: {no_record} placed them",
        f"{driver_removal.MODPROBE}: it keeps nouveau off the GPUs of the driver that stays",
    )
    assert not remove().changed


def test_a_driver_that_others_need_stays_and_works(node: Node) -> None:
    recorded(service=SERVICE)
    node.manager.takes = {DRIVER[0]: ("vim",)}
    outcome = remove()
    assert outcome.left[0] == f"the package {DRIVER[0]}: vim would go too"
    assert (node.done, outcome.reboot) == ([], ())
    assert Thing("service", SERVICE) in made.read("nvidia_driver")


def test_a_kernel_that_came_with_the_driver_stays(node: Node) -> None:
    node.manager.packages[KERNEL] = "1"
    recorded(*DRIVER, KERNEL)
    assert remove(check_mode=True).left == remove().left == (f"the package {KERNEL}: it is of a kernel",)
    assert set(node.manager.packages) == {KERNEL, "vim"}


def test_a_key_stays_until_somebody_removes_it(node: Node) -> None:
    key = node.folder / "mok.pub"
    key.touch()
    recorded(file=str(key))
    (left,) = remove().left
    assert left.startswith(f"{key}: the firmware may trust this key")
    assert (remove(check_mode=True).left, remove().changed) == ((left,), False)
    key.unlink()
    assert (remove().left, made.read("nvidia_driver")) == ((), [])


@pytest.mark.parametrize("ours", [True, False])
def test_nvidias_installer_is_undone_where_we_have_run_it(ours: bool, node: Node) -> None:
    node.manager.packages = {"dkms": "1", "vim": "1"}
    node.installer = Found(("/usr/lib64/libcuda.so.580.178.04",), uninstaller=True)
    recorded("dkms", **({"file": runfile.UNINSTALLER} if ours else {}))
    shown = {diff["after_header"]: diff["before"] for diff in remove(check_mode=True).diffs}
    assert shown.get("NVIDIA's installer") == (f"{VERSION}\n" if ours else None)
    outcome = remove()
    assert node.done == (["uninstalled", "/boot/initrd.img-6.1"] if ours else [])
    assert node.files() == ([] if ours else ["modprobe", "dracut"])
    assert bool(outcome.reboot) is ours
    named = f"the driver {VERSION} of NVIDIA's installer: no record says that Evenkeel has run it"
    assert outcome.left[:1] == (() if ours else (named,))


def test_a_boot_without_room_is_refused_before_any_change(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(images: Sequence[Image]) -> None:
        raise EvenkeelError("A new initial RAM disk needs room", "Make some")

    monkeypatch.setattr(initramfs, "require_room", refuse)
    recorded(service=SERVICE)
    for check_mode in (True, False):
        with pytest.raises(EvenkeelError, match="needs room"):
            remove(check_mode=check_mode)
    assert (node.files(), node.done, set(node.manager.packages)) == (list(KEPT_OFF), [], {*DRIVER, "vim"})


def test_a_run_that_was_killed_while_it_rebuilt_is_finished_by_the_next(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded()
    rebuild = initramfs.rebuild

    def fail(tool: initramfs.Tool, images: Sequence[Image]) -> None:
        raise EvenkeelError("killed", "")

    monkeypatch.setattr(initramfs, "rebuild", fail)
    with pytest.raises(EvenkeelError, match="killed"):
        remove()
    assert Path(os.fspath(driver_removal.MODPROBE)).read_text() == f"{kept_files.MARK}\n"
    monkeypatch.setattr(initramfs, "rebuild", rebuild)
    assert remove().changed
    assert (node.done, node.files()) == (["/boot/initrd.img-6.1"], [])


def test_an_upgrade_that_was_killed_is_finished_and_taken_away(node: Node) -> None:
    recorded(service=SERVICE)
    node.manager.unfinished.append(DRIVER[0])
    assert remove(check_mode=True).unknown == (f"which packages would go, because {DRIVER[0]} is half-installed",)
    assert remove().healed == (DRIVER[0],)
    assert (set(node.manager.packages), node.done[0]) == ({"vim"}, f"disable --now {SERVICE}")
    assert (node.files(), made.read("nvidia_driver")) == ([], [])


def test_the_module_says_it_all(node: Node) -> None:
    recorded()
    options = {"state": "absent", "container": False, "lock_timeout": 7, "warn": []}
    result = nvidia_driver.converge(options, True)
    assert (result["changed"], result["reboot"]) == (True, [f"the driver {VERSION} is loaded, and none is installed"])
    assert result["version"] == VERSION
