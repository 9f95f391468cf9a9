# SPDX-License-Identifier: GPL-3.0-or-later
"""What another driver has left on a node, on trees in temporary folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, leftovers, linux_kernels, runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.leftovers import Leftovers, Registration
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.runfile import Found
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners

OURS, OTHER = "580.178.04", "595.91.07"


@dataclass
class Node:
    """A node; ``modules`` has the version of each file of a module, ``done`` is what was done to DKMS."""

    modules: dict[str, str] = field(default_factory=dict)
    kernels: list[Kernel] = field(default_factory=list)
    registered: list[tuple[str, str]] = field(default_factory=lambda: [("nvidia", OURS), ("nvidia", OTHER)])
    active: list[tuple[str, str, str]] = field(default_factory=list)
    owned: set[str] = field(default_factory=lambda: {f"/usr/src/nvidia-{OURS}/dkms.conf"})
    installed: str = ""
    installer: Found = field(default_factory=Found)
    done: list[str] = field(default_factory=list)

    def put(self, folder: Path, **versions: str) -> None:
        """Put modules into a folder of a kernel."""
        folder.mkdir(parents=True)
        for name, version in versions.items():
            path = folder / f"{name.replace('_', '-')}.ko"
            path.touch()
            self.modules[str(path)] = version
        first = str(folder / "nvidia.ko")
        self.kernels.append(Kernel("6.1", modules=(Module(self.modules[first], "open", path=first),)))

    def found(self, *, is_built: bool = True, by_installer: bool = False) -> Leftovers:
        return leftovers.find(Sysroot(), "apt", OURS, is_built=is_built, by_installer=by_installer)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node()

    def owned(paths: Sequence[str], manager: str) -> set[str]:
        return found.owned.intersection(paths)

    def describe(system: Sysroot, paths: Sequence[str]) -> dict[str, dict[str, str]]:
        return {path: {"version": found.modules[path]} for path in paths}

    def noted(words: str) -> Callable[..., None]:
        return lambda *arguments: found.done.append(" ".join([words, *map(str, arguments)]))

    monkeypatch.setattr(owners, "owned", owned)
    monkeypatch.setattr(linux_kernels, "read", lambda system: found.kernels)
    monkeypatch.setattr(linux_kernels, "describe", describe)
    monkeypatch.setattr(dkms, "registered", lambda: found.registered)
    monkeypatch.setattr(dkms, "active", lambda: found.active)
    monkeypatch.setattr(dkms, "forget", noted("forget"))
    monkeypatch.setattr(dkms, "uninstall", noted("uninstall"))
    monkeypatch.setattr(runfile, "installed", lambda: found.installed)
    monkeypatch.setattr(runfile, "find", lambda manager, packaged: found.installer)
    monkeypatch.setattr(runfile, "remove", noted("undo the installer"))
    monkeypatch.setattr(command, "run", lambda argv: found.done.append(" ".join(argv)))
    return found


@pytest.mark.parametrize(
    ("registered", "owned", "options", "expected"),
    [
        ([OURS], [], {}, []),
        ([OURS, OTHER], [], {}, [OTHER]),
        ([OURS, OTHER, "570.211.01"], [], {}, [OTHER, "570.211.01"]),
        ([OURS, OTHER], [OTHER], {}, []),
        ([OURS], [], {"is_built": False}, [OURS]),
        ([OURS], [OURS], {"is_built": False}, []),
        ([OURS, "580.1"], [], {"by_installer": True}, []),
        ([OURS, "580.1", OTHER], [], {"by_installer": True}, [OTHER]),
    ],
    ids=[
        "the declared one",
        "a newer one",
        "a newer and an older one",
        "one of a package, which a transaction removes",
        "the modules are prebuilt",
        "a package's, beside prebuilt modules",
        "the installer replaces its own",
        "one beside the installer's",
    ],
)
def test_registrations_that_are_left(
    registered: list[str], owned: list[str], options: dict[str, bool], expected: list[str], node: Node
) -> None:
    node.installed = "580.1"
    node.registered = [("nvidia", version) for version in registered]
    node.owned = {f"/usr/src/nvidia-{version}/dkms.conf" for version in owned}
    found = node.found(**options)
    assert [one.version for one in found.registrations] == expected
    assert all(f"nvidia/{version}" in words for version, words in zip(expected, found.named(), strict=True))
    assert node.done == []


def test_modules_of_a_registration_go_with_it_but_never_a_packages(tmp_path: Path, node: Node) -> None:
    folder = tmp_path / "updates" / "dkms"
    node.put(folder, nvidia=OTHER, nvidia_uvm=OTHER, nvidia_drm=OTHER, nvidia_modeset=OURS, nvidia_fs="2.26.6")
    node.owned.add(str(folder / "nvidia-drm.ko"))
    found = node.found()
    assert [Path(path).name for path in found.registrations[0].files] == ["nvidia-uvm.ko", "nvidia.ko"]
    assert found.lines() == [f"dkms: nvidia/{OTHER}", str(folder / "nvidia-uvm.ko"), str(folder / "nvidia.ko")]
    leftovers.remove(found, "apt")
    assert sorted(path.name for path in folder.iterdir()) == ["nvidia-drm.ko", "nvidia-fs.ko", "nvidia-modeset.ko"]
    assert node.done[0] == f"forget nvidia {OTHER}"
    assert node.done[1].startswith("depmod ")


def test_modules_of_the_declared_version_stay(tmp_path: Path, node: Node) -> None:
    node.put(tmp_path / "updates", nvidia=OURS)
    leftovers.remove(node.found(), "apt")
    assert node.done == [f"forget nvidia {OTHER}"]
    assert [path.name for path in (tmp_path / "updates").iterdir()] == ["nvidia.ko"]


@pytest.mark.parametrize(
    ("installer", "undone", "named"),
    [
        (Found(), False, False),
        (Found(("/usr/lib64/libcuda.so.595.1",), uninstaller=True), True, False),
        (Found(("/usr/lib64/libcuda.so.595.1",)), True, False),
        (Found(uninstaller=True), True, True),
    ],
    ids=["nothing", "a driver", "libraries", "its uninstaller alone"],
)
def test_the_installer_is_undone_before_registrations_are(
    installer: Found, undone: bool, named: bool, node: Node
) -> None:
    node.installer = installer
    found = node.found()
    assert ("don't run it" in " ".join(found.named())) is named
    leftovers.remove(found, "apt")
    assert node.done == ["undo the installer apt"] * undone + [f"forget nvidia {OTHER}"]
    assert node.found(by_installer=True).installer == Found()


def test_only_modules_of_others_are_taken_away_from_kernels(node: Node) -> None:
    node.active = [("nvidia", OTHER, "6.1"), ("nvidia", OURS, "6.2"), ("nvidia-srv", OTHER, "6.3")]
    leftovers.clear_kernels(Leftovers(registrations=(Registration("nvidia", OTHER),)))
    assert node.done == [f"uninstall nvidia {OTHER} 6.1"]


def test_a_module_that_dkms_can_not_take_away_goes_too(tmp_path: Path, node: Node) -> None:
    (tmp_path / "nvidia.ko").touch()
    leftovers.clear_kernels(Leftovers(registrations=(Registration("nvidia", OTHER, (str(tmp_path / "nvidia.ko"),)),)))
    assert [words.split()[0] for words in node.done] == ["depmod"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("modules", "owned", "expected"),
    [
        ([(OURS, "open")], [], []),
        ([(OTHER, "open"), (OURS, "open")], [], ["0"]),
        ([(OTHER, "open"), (OURS, "proprietary"), (OURS, "open"), (OTHER, "open")], [], ["0", "1"]),
        ([(OTHER, "open"), (OURS, "open")], ["0"], []),
        ([(OTHER, "open")], [], []),
        ([], [], []),
    ],
    ids=["the right one", "one before it", "two before it", "a package's before it", "none is right", "none"],
)
def test_modules_that_are_loaded_instead_of_the_right_one(
    modules: list[tuple[str, str]], owned: list[str], expected: list[str], node: Node
) -> None:
    node.owned = set(owned)
    found = [Module(version, flavour, path=str(at)) for at, (version, flavour) in enumerate(modules)]
    kernel = Kernel("6.1", modules=tuple(found))
    assert leftovers.in_the_way(kernel, OURS, "open", "apt") == tuple(expected)


def test_a_module_is_taken_away_from_dkms_and_from_its_kernel_alone(tmp_path: Path, node: Node) -> None:
    node.active = [("nvidia", OTHER, "6.1"), ("nvidia", OTHER, "6.2"), ("nvidia-srv", OURS, "6.1")]
    (tmp_path / "nvidia.ko").touch()
    leftovers.take_away([str(tmp_path / "nvidia.ko"), str(tmp_path / "gone.ko")], "6.1", OURS)
    assert node.done[0] == f"uninstall nvidia {OTHER} 6.1"
    assert [words.split()[0] for words in node.done[1:]] == ["depmod"]
    assert list(tmp_path.iterdir()) == []
