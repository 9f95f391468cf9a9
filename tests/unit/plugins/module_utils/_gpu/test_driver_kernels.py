# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver on kernels whose headers, or whose prebuilt module, the repositories have or no longer have."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, driver, kernel_packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import TimedOut
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import offered
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository

from tests.unit.plugins.module_utils._gpu.test_driver import NEW, OLD, OPEN, SOURCES, Node, desired
from tests.unit.plugins.module_utils._gpu.test_driver import node as node

GONE, RUNS = "6.8.0-31-generic", "6.8.0-90-generic"
MODULES = "linux-modules-nvidia-580-server-open-{kernel}"
MODES = pytest.mark.parametrize("check_mode", [False, True])


@pytest.fixture
def old(node: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node that runs a kernel whose headers are gone; there is a newer one, which comes with its headers."""
    monkeypatch.setattr(kernel_packages, "of_no_package", lambda releases, manager: [])
    node.kernels = [Kernel(GONE, running=True, headers=False)]
    node.loaded = Loaded()
    node.manager.packages |= {"linux-image-virtual": "6.8.0-31.31", f"linux-image-{GONE}": "6.8.0-31.31"}
    node.manager.repositories = {
        **node.manager.repositories,
        "linux-image-virtual": ["6.8.0-90.91"],
        "linux-headers-virtual": ["6.8.0-90.91"],
        f"linux-headers-{RUNS}": ["6.8.0-90.91"],
        MODULES.format(kernel=RUNS): ["6.8.0-90.91"],
        MODULES.format(kernel="generic"): ["6.8.0-90.91"],
    }
    node.manager.brings = {"linux-image-virtual": {f"linux-image-{RUNS}": "6.8.0-90.91"}}
    node.manager.holds = {"linux-image-virtual"}
    return node


def _come(node: Node) -> None:
    """Have the newer kernel there, with its headers and its module."""
    node.kernels = [node.kernels[0], Kernel(RUNS, modules=(OPEN,))]


@MODES
def test_a_kernel_whose_headers_are_gone_is_refused_with_the_way_out(check_mode: bool, old: Node) -> None:
    with pytest.raises(
        EvenkeelError,
        match=rf"package linux-headers-{GONE}: the kernel .*nvidia_driver_kernel of the role set to upgrade",
    ):
        driver.converge(desired(), check_mode=check_mode)
    assert old.changes() == []


@MODES
@pytest.mark.parametrize("kernel", ["keep", "upgrade"])
def test_a_kernel_of_ones_own_is_refused_as_such(
    kernel: str, check_mode: bool, old: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.kernels.append(Kernel("6.9.0-custom", headers=False))
    monkeypatch.setattr(kernel_packages, "of_no_package", lambda releases, manager: ["6.9.0-custom"])
    with pytest.raises(EvenkeelError, match=r"The kernel 6\.9\.0-custom is of no package"):
        driver.converge(desired(kernel=kernel), check_mode=check_mode)
    assert old.changes() == []


@MODES
def test_a_newer_kernel_comes_with_its_headers_where_those_of_the_newest_are_gone(check_mode: bool, old: Node) -> None:
    old.manager.during = {"apply": lambda: _come(old)}
    outcome = driver.converge(desired(kernel="upgrade", hold_kernel=True), check_mode=check_mode)
    applied = [call for call in old.changes() if call.startswith("apply ")]
    expected = f"apply linux-headers-virtual linux-headers-{RUNS} linux-image-virtual=6.8.0-90.91"
    assert applied == [expected] * (not check_mode)
    assert f"linux-image-{RUNS} 6.8.0-90.91" in outcome.packages
    assert f"the kernel {GONE} has no module: no repository has linux-headers-{GONE}" in " ".join(outcome.left)
    reason = f"the running kernel {GONE} has no module, which another kernel has"
    assert outcome.reboot == (() if check_mode else (reason,))
    if not check_mode:
        assert {"linux-image-virtual", "linux-headers-virtual"} <= old.manager.holds
        again = driver.converge(desired(kernel="upgrade", hold_kernel=True), check_mode=False)
        assert (again.changed, again.reboot) == (False, (reason,))


def test_a_node_that_follows_no_kernel_gets_with_a_newer_one_what_brings_the_headers_of_later_ones(old: Node) -> None:
    del old.manager.packages["linux-image-virtual"]
    metas = {"linux-image-generic": ["6.8.0-90.91"], "linux-headers-generic": ["6.8.0-90.91"]}
    old.manager.repositories = {**old.manager.repositories, **metas}
    old.manager.brings = {"linux-image-generic": {f"linux-image-{RUNS}": "6.8.0-90.91"}}
    old.manager.during = {"apply": lambda: _come(old)}
    driver.converge(desired(kernel="upgrade"), check_mode=False)
    (applied,) = (call for call in old.changes() if call.startswith("apply "))
    assert applied == f"apply linux-headers-generic linux-headers-{RUNS} linux-image-generic=6.8.0-90.91"
    assert not driver.converge(desired(kernel="upgrade"), check_mode=False).changed


@pytest.mark.parametrize(
    ("failed", "goes_on"), [({OLD}, True), ({OLD, NEW}, False), (set(), False)], ids=["the old driver", "both", "none"]
)
def test_a_newer_kernel_for_which_the_old_driver_does_not_build_is_finished_by_the_declared_one(
    failed: set[str], goes_on: bool, old: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = f"apply linux-headers-virtual linux-headers-{RUNS} linux-image-virtual=6.8.0-90.91"

    def half_configured() -> None:
        _come(old)
        old.manager.packages[f"linux-image-{RUNS}"] = "6.8.0-90.91"
        old.manager.unfinished.append(f"linux-image-{RUNS}")

    driver_comes = f"apply {SOURCES['open']}={NEW}-1"
    old.manager.packages[SOURCES["open"]] = f"{OLD}-1"
    old.manager.stubborn = [f"linux-image-{RUNS}"]
    old.manager.failures = {kernel: EvenkeelError("apt did not install the kernel", "Look")}
    old.manager.during = {kernel: half_configured, driver_comes: old.manager.unfinished.clear}
    monkeypatch.setattr(dkms, "versions_failed_since", lambda logs: failed)
    if goes_on:
        driver.converge(desired(kernel="upgrade"), check_mode=False)
        assert old.changes().index(kernel) < old.changes().index(driver_comes)
        assert old.manager.unfinished == []
    else:
        with pytest.raises(EvenkeelError, match="apt did not install the kernel"):
            driver.converge(desired(kernel="upgrade"), check_mode=False)
        assert driver_comes not in old.changes()


@MODES
@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ("linux-image-virtual", "has a newer kernel than"),
        (f"linux-headers-{RUNS}", f"the kernel {RUNS} has no headers"),
    ],
)
def test_a_newer_kernel_that_would_help_nothing_is_not_installed(
    lacks: str, words: str, check_mode: bool, old: Node
) -> None:
    old.manager.repositories = {name: has for name, has in old.manager.repositories.items() if name != lacks}
    with pytest.raises(EvenkeelError, match=words):
        driver.converge(desired(kernel="upgrade"), check_mode=check_mode)
    assert old.changes() == []


@MODES
def test_a_problem_of_the_driver_is_found_before_a_newer_kernel_is_installed(check_mode: bool, old: Node) -> None:
    old.manager.packages.pop(SOURCES["open"])
    old.manager.repositories = {
        name: has for name, has in old.manager.repositories.items() if name not in SOURCES.values()
    }
    with pytest.raises(EvenkeelError, match="No repository of the node has the package nvidia-kernel-open-dkms"):
        driver.converge(desired(kernel="upgrade"), check_mode=check_mode)
    assert old.changes() == []


def test_an_older_kernel_whose_headers_are_gone_needs_no_newer_one(old: Node) -> None:
    _come(old)
    outcome = driver.converge(desired(kernel="upgrade"), check_mode=False)
    assert [call for call in old.changes() if call.startswith("apply ") and "linux-image" in call] == []
    assert len(outcome.left) == 1
    old.kernels = [
        dataclasses.replace(old.kernels[0], running=False),
        dataclasses.replace(old.kernels[1], running=True),
    ]
    old.loaded = Loaded(NEW, "open")
    assert driver.converge(desired(kernel="upgrade"), check_mode=False).reboot == ()


@MODES
def test_prebuilt_modules_come_for_each_kernel_and_for_future_ones(check_mode: bool, old: Node) -> None:
    old.kernels = [Kernel(RUNS, running=True, headers=False, modules=(OPEN,))]
    old.registered = []
    outcome = driver.converge(desired(dkms="", modules=MODULES), check_mode=check_mode)
    wanted = [f"{MODULES.format(kernel=one)} 6.8.0-90.91" for one in (RUNS, "generic")]
    assert sorted(outcome.packages) == sorted(wanted)
    assert outcome.left == ()


@MODES
def test_a_kernel_without_a_prebuilt_module_is_refused_before_any_change(check_mode: bool, old: Node) -> None:
    with pytest.raises(EvenkeelError, match=rf"{GONE} has no module\. .*nvidia_driver_source of the role to nvidia"):
        driver.converge(desired(dkms="", modules=MODULES), check_mode=check_mode)
    assert old.changes() == []


def test_a_newer_kernel_and_its_prebuilt_module_come_with_the_driver(old: Node) -> None:
    old.manager.during = {"apply": lambda: _come(old)}
    driver.converge(desired(dkms="", modules=MODULES, kernel="upgrade"), check_mode=False)
    (applied,) = [call for call in old.changes() if call.startswith("apply ")]
    assert set(applied.split()[1:]) == {
        MODULES.format(kernel=RUNS),
        MODULES.format(kernel="generic"),
        "linux-image-virtual=6.8.0-90.91",
    }


def test_what_brings_kernels_alone_is_reported_and_stops_nothing(node: Node) -> None:
    node.manager.packages["linux-image-own"] = "1"
    outcome = driver.converge(desired(), check_mode=False)
    assert not outcome.changed
    assert outcome.left == ("no repository has linux-headers-own, which newer kernels of linux-image-own need",)
    assert [call for call in node.manager.calls if "refresh" in call] == []


@MODES
def test_repositories_that_do_not_answer_in_time_leave_a_rehearsal_unsure(check_mode: bool, old: Node) -> None:
    old.manager.failures = {"refresh": TimedOut("apt-get did not answer", "Wait")}
    if check_mode:
        assert "which packages the kernels need" in driver.converge(desired(), check_mode=True).unknown[0]
    else:
        with pytest.raises(TimedOut):
            driver.converge(desired(), check_mode=False)


EPEL = Repository("evenkeel-epel", "rpm", "http://m/epel/9/Everything/x86_64/", "http://m/epel/RPM-GPG-KEY-EPEL-9")


@MODES
@pytest.mark.parametrize(
    ("lacks", "way"), [("dkms", "nvidia_driver_epel"), ("python3-dnf-plugin-versionlock", "nvidia_driver_hold_kernel")]
)
def test_a_node_of_red_hats_family_without_a_tool_is_refused_with_the_way_to_it(
    lacks: str, way: str, check_mode: bool, node: Node
) -> None:
    node.manager.name, node.manager.packages = "dnf", {}
    tools = {name: ["3"] for name in ("dkms", "python3-dnf-plugin-versionlock") if name != lacks}
    node.manager.repositories = {**node.manager.repositories, **tools}
    with pytest.raises(EvenkeelError, match=rf"has the package {lacks}\. Nothing was changed\. .*{way}"):
        driver.converge(desired(hold_kernel=True), check_mode=check_mode)
    assert node.changes() == []


@MODES
def test_epel_is_added_where_dkms_is_missing_and_a_rehearsal_sees_it(check_mode: bool, node: Node) -> None:
    node.manager.name, node.manager.packages = "dnf", {}
    node.manager.repositories = {**node.manager.repositories, "dkms": ["3"]}
    staged: list[str] = []
    node.manager.during = {"refresh /staged/evenkeel.sources": lambda: staged.append("asked")}
    outcome = driver.converge(desired(dkms_repository=EPEL), check_mode=check_mode)
    assert staged
    assert outcome.packages[0] == "dkms 3"
    headers = [diff["after_header"] for diff in outcome.diffs]
    assert headers.count(EPEL.path) == check_mode


@MODES
def test_repositories_are_not_asked_where_kernels_and_future_ones_have_all(
    check_mode: bool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.manager.packages |= {"linux-image-virtual": "1", "linux-headers-virtual": "1"}
    driver.converge(desired(), check_mode=False)
    monkeypatch.setattr(offered, "versions", None)
    driver.converge(desired(), check_mode=check_mode)


@MODES
def test_others_name_the_driver_s_repository_in_no_transaction(check_mode: bool, old: Node) -> None:
    repository = dataclasses.replace(EPEL, name="evenkeel-nvidia-cuda")
    old.manager.during = {"apply": lambda: _come(old)}
    driver.converge(desired(kernel="upgrade", repository=repository), check_mode=check_mode)
    assert len(old.manager.ours) > 2
    assert all(repository in known for known in old.manager.ours)
