# SPDX-License-Identifier: GPL-3.0-or-later
"""A module is built on trial before a driver is replaced; a first driver that does not build goes again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, dkms_transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.converge import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, Request, Wanted

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

SOURCE, OLD, NEW = "nvidia-kernel-open-dkms", "580.159.03-1", "580.178.04-1"
BARE, READY = Kernel("6.1.0-49"), Kernel("6.1.0-50", modules=(Module("580.159.03", "open"),))
JOB = Job("nvidia_driver", Request(wanted=(Wanted(SOURCE, "580.178.04"),), into="/usr"))
REFUSED = EvenkeelError("apt did not install it", "See why")
DOES_NOT_BUILD = EvenkeelError("The module does not build: error: no such function", "Choose another branch")


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What was built on trial, by the end of its path, and for which kernels; no build has failed."""
    found: list[tuple[str, list[str]]] = []

    def build(source: str, kernels: list[str]) -> int:
        found.append((Path(source).name, list(kernels)))
        return 5

    monkeypatch.setattr(dkms, "try_build", build)
    monkeypatch.setattr(dkms, "logs", dict)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: None)
    return found


def node(monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], **state: object) -> FakeManager:
    given: dict[str, object] = {
        "packages": installed,
        "repositories": {SOURCE: [NEW, OLD]},
        "brings": {SOURCE: {"nvidia-kernel-common": NEW}},
        "contents": {
            "/usr/src/nvidia-580.178.04/dkms.conf": "PACKAGE_VERSION=580.178.04\n",
            "/usr/src/nvidia-580.178.04/Makefile": "modules:\n",
        },
    }
    manager = FakeManager(**{**given, **state})  # type: ignore[arg-type]
    manager.serve(monkeypatch)
    return manager


def test_an_upgrade_is_built_on_trial_for_every_kernel_before_the_first_change(
    monkeypatch: pytest.MonkeyPatch, tried: list[tuple[str, list[str]]]
) -> None:
    manager = node(monkeypatch, {SOURCE: OLD})
    dkms_transaction.converge(JOB, SOURCE, [BARE, READY], check_mode=False)
    assert tried == [("nvidia-580.178.04", ["6.1.0-49", "6.1.0-50"])]
    first = manager.calls.index(f"staged: download {SOURCE}={NEW}")
    assert first < manager.calls.index("files take effect") < manager.calls.index(f"apply {SOURCE}={NEW}")


CONF = {"/usr/src/nvidia-580.178.04/dkms.conf": "PACKAGE_VERSION=580.178.04\n"}
MAKEFILE = {"/usr/src/nvidia-580.178.04/Makefile": "modules:\n"}
LIBRARY = {"/usr/lib/libcuda.so.580.178.04": ""}


@dataclass
class SplitManager(FakeManager):
    """A manager whose packages have different files; ``files`` are those of each package."""

    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def download(self, spec: str, folder: str) -> str:
        path = super().download(spec, folder)
        Path(path).write_text(spec.partition("=")[0])
        return path

    def unpack(self, package: str, folder: str) -> None:
        self.contents = self.files.get(Path(package).read_text(), {})
        super().unpack(package, folder)


@pytest.mark.parametrize(
    ("files", "downloaded", "built"),
    [
        ({SOURCE: {**CONF, **MAKEFILE}}, [SOURCE, "nvidia-kernel-source"], True),
        ({SOURCE: CONF, "nvidia-kernel-source": MAKEFILE}, [SOURCE, "nvidia-kernel-source"], True),
        ({SOURCE: CONF, "aaa-files": MAKEFILE}, [SOURCE, "nvidia-kernel-source", "aaa-files"], True),
        ({SOURCE: CONF, "aaa-files": LIBRARY}, [SOURCE, "nvidia-kernel-source", "aaa-files", "zzz"], False),
        ({"nvidia-kernel-source": MAKEFILE}, [SOURCE, "nvidia-kernel-source", "aaa-files", "zzz"], False),
        ({}, [SOURCE, "nvidia-kernel-source", "aaa-files", "zzz"], False),
    ],
    ids=[
        "one package",
        "Ubuntu: what DKMS does, and the source",
        "in a package whose name does not name them",
        "no package has the source",
        "no package says what DKMS does",
        "nothing",
    ],
)
def test_the_source_comes_out_of_whichever_packages_have_it_or_it_is_said_that_none_does(
    files: dict[str, dict[str, str]],
    downloaded: list[str],
    built: bool,
    monkeypatch: pytest.MonkeyPatch,
    tried: list[tuple[str, list[str]]],
) -> None:
    brings = dict.fromkeys(["nvidia-kernel-source", "aaa-files", "zzz"], NEW)
    manager = SplitManager({SOURCE: OLD}, repositories={SOURCE: [NEW]}, brings={SOURCE: brings}, files=files)
    manager.serve(monkeypatch)
    _outcome, untried = dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=False)
    fetched = [call.split()[-1].partition("=")[0] for call in manager.calls if call.startswith("staged: download")]
    assert fetched == downloaded
    assert tried == [("nvidia-580.178.04", ["6.1.0-50"])] * built
    assert [reason.partition(": no package")[0] for reason in untried] == [
        "the module was not built on trial before the packages changed"
    ] * (not built)
    assert manager.packages[SOURCE] == NEW


def test_what_another_driver_has_left_goes_when_the_trial_has_succeeded_and_before_packages_change(
    monkeypatch: pytest.MonkeyPatch, tried: list[tuple[str, list[str]]]
) -> None:
    manager = node(monkeypatch, {SOURCE: OLD})
    manager.calls.clear()
    before = lambda: manager.calls.append(f"made way after {len(tried)}")  # noqa: E731
    dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=False, before=before)
    assert manager.calls.index("made way after 1") < manager.calls.index("files take effect")


@pytest.mark.parametrize("check_mode", [True, False])
def test_an_upgrade_without_room_never_begins(check_mode: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    size = {f"{SOURCE}={NEW}": 1 << 62}
    manager = node(monkeypatch, {SOURCE: OLD}, size=size)
    with pytest.raises(EvenkeelError, match=r"needs \d+ MiB in /usr, and \d+ MiB are free.*nothing was changed"):
        dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=check_mode)
    assert manager.packages == {SOURCE: OLD}
    assert "files take effect" not in manager.calls


def test_the_trial_says_how_much_room_sources_and_modules_need(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Mapping[str, int]] = []
    size = {f"{SOURCE}={NEW}": 7000, f"{SOURCE}={OLD}": 6000, f"nvidia-kernel-common={NEW}": 300}
    node(monkeypatch, {SOURCE: OLD}, size=size)
    monkeypatch.setattr(dkms_transaction.disk_space, "require_free", lambda needs, *words: asked.append(needs))
    dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=False)
    packages, source = 1300 + 7000, len("PACKAGE_VERSION=580.178.04\n") + len("modules:\n")
    of_trial = {"/usr": packages, "/usr/src": source, "/var/lib/dkms": source + 10, "/lib/modules": 5}
    assert asked == [{"/usr": packages}, of_trial]


def test_no_way_is_made_where_the_trial_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    node(monkeypatch, {SOURCE: OLD})
    made: list[str] = []

    def fail(source: str, kernels: list[str]) -> None:
        raise DOES_NOT_BUILD

    monkeypatch.setattr(dkms, "try_build", fail)
    with pytest.raises(EvenkeelError, match="does not build"):
        dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=False, before=lambda: made.append("way"))
    assert made == []


def test_an_upgrade_that_does_not_build_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, {SOURCE: OLD})

    def fail(source: str, kernels: list[str]) -> None:
        raise DOES_NOT_BUILD

    monkeypatch.setattr(dkms, "try_build", fail)
    with pytest.raises(EvenkeelError, match="does not build"):
        dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=False)
    assert manager.packages == {SOURCE: OLD}
    assert all(call == "wait" or call.startswith("staged: ") for call in manager.calls)


@pytest.mark.parametrize(
    ("installed", "brings", "kernels"),
    [
        ({SOURCE: OLD}, {}, [BARE]),
        ({"nvidia-kernel-common": OLD}, {"nvidia-kernel-common": NEW}, [BARE]),
        ({}, {}, [BARE, Kernel("6.1.0-40", modules=READY.modules)]),
    ],
    ids=[
        "an upgrade, and only the newer kernel is there to build for",
        "an upgrade of another package",
        "the kernel with the module can get no new one",
    ],
)
def test_what_a_removal_would_not_undo_is_built_on_trial(
    installed: dict[str, str],
    brings: dict[str, str],
    kernels: list[Kernel],
    monkeypatch: pytest.MonkeyPatch,
    tried: list[tuple[str, list[str]]],
) -> None:
    node(monkeypatch, installed, brings={SOURCE: brings})
    dkms_transaction.converge(JOB, SOURCE, kernels, check_mode=False, without={"6.1.0-40": "linux-headers-6.1.0-40"})
    assert tried == [("nvidia-580.178.04", ["6.1.0-49"])]


@pytest.mark.parametrize(
    ("source", "kernels", "check_mode"),
    [(SOURCE, [BARE], False), (SOURCE, [], False), ("", [READY], False), ("other-dkms", [READY], False)],
    ids=["no module to lose", "no kernel", "nothing is built", "another package is built"],
)
def test_what_is_not_built_on_trial(
    source: str,
    kernels: list[Kernel],
    check_mode: bool,
    monkeypatch: pytest.MonkeyPatch,
    tried: list[tuple[str, list[str]]],
) -> None:
    node(monkeypatch, {})
    dkms_transaction.converge(JOB, source, kernels, check_mode=check_mode)
    assert tried == []


def test_a_rehearsal_that_is_refused_has_nothing_to_do_with_logs_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, {})
    manager.failures = {"simulate": REFUSED}
    manager.serve(monkeypatch)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: DOES_NOT_BUILD)
    with pytest.raises(EvenkeelError) as raised:
        dkms_transaction.converge(JOB, SOURCE, [BARE], check_mode=True)
    assert raised.value is REFUSED


def test_a_first_driver_that_does_not_build_is_removed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, {"bash": "5"})

    def half_done() -> None:
        manager.packages["nvidia-kernel-common"] = NEW
        manager.unfinished.append(SOURCE)

    manager.during, manager.failures = {f"apply {SOURCE}={NEW}": half_done}, {f"apply {SOURCE}={NEW}": REFUSED}
    manager.serve(monkeypatch)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: DOES_NOT_BUILD)
    with pytest.raises(EvenkeelError, match=r"error: no such function. The packages .* were removed again. Choose"):
        dkms_transaction.converge(JOB, SOURCE, [BARE], check_mode=False)
    assert manager.packages == {"bash": "5"}
    assert manager.unfinished == []


@pytest.mark.parametrize(
    ("steps", "kernels", "expected"),
    [
        ([Step(SOURCE, "", NEW), Step("library", "", NEW)], [BARE], [SOURCE]),
        ([Step(SOURCE, "", NEW), Step("nvidia-kernel-common", OLD, NEW)], [BARE], []),
        ([Step(SOURCE, "", NEW), Step("old", "1", "")], [BARE], []),
        ([Step(SOURCE, "", NEW)], [BARE, READY], []),
    ],
    ids=["what came", "a package was upgraded", "a package was removed", "a kernel has a module"],
)
def test_what_a_failed_transaction_brought_is_removed_where_that_undoes_it(
    steps: list[Step], kernels: list[Kernel], expected: list[str]
) -> None:
    known = {SOURCE, "nvidia-kernel-common", "bash"}
    assert dkms_transaction.to_remove(Plan(steps=tuple(steps)), kernels, known) == expected


@pytest.mark.parametrize(
    ("installed", "source", "kernels"),
    [
        ({"nvidia-kernel-common": OLD}, SOURCE, [BARE]),
        ({}, SOURCE, [BARE, READY]),
        ({}, "", [BARE]),
    ],
    ids=["a package was upgraded", "a kernel has a module", "prerequisites"],
)
def test_packages_that_stay_although_a_build_failed(
    installed: dict[str, str], source: str, kernels: list[Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = f"apply {SOURCE}={NEW}"
    manager = node(monkeypatch, installed, failures={call: REFUSED})
    manager.during = {call: lambda: manager.packages.update({"nvidia-kernel-common": NEW})}
    manager.serve(monkeypatch)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: DOES_NOT_BUILD)
    with pytest.raises(EvenkeelError, match=r"no such function\. Choose another branch"):
        dkms_transaction.converge(JOB, source, kernels, check_mode=False)
    assert manager.packages == {"nvidia-kernel-common": NEW}
    assert manager.calls[-1] == call


def test_only_packages_that_have_come_are_removed() -> None:
    plan = Plan(steps=(Step(SOURCE, "", NEW), Step("nvidia-kernel-common", "", NEW)))
    assert dkms_transaction.to_remove(plan, [BARE], {SOURCE, "old"}) == [SOURCE]
    assert dkms_transaction.to_remove(plan, [READY], {SOURCE, "old"}) == []


def test_only_builds_that_failed_during_the_transaction_count_and_their_log_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node(monkeypatch, {}, failures={f"apply {SOURCE}={NEW}": REFUSED})
    earlier = {"/var/lib/dkms/nvidia/1/build/make.log": 7}
    failed = EvenkeelError("It does not build", "Choose another", dkms="/var/log/evenkeel/x.log")
    monkeypatch.setattr(dkms, "logs", lambda: earlier)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: failed if logs == earlier else None)
    with pytest.raises(EvenkeelError, match="It does not build") as error:
        dkms_transaction.converge(JOB, SOURCE, [BARE], check_mode=False)
    assert error.value.details == {"dkms": "/var/log/evenkeel/x.log"}


def test_a_trial_that_failed_is_reported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    node(monkeypatch, {SOURCE: OLD})
    trial = EvenkeelError("It does not build on trial", "Choose another", dkms="/var/log/evenkeel/x.log")

    def fail(source: str, kernels: list[str]) -> None:
        raise trial

    monkeypatch.setattr(dkms, "try_build", fail)
    monkeypatch.setattr(dkms, "failed_since", lambda logs: DOES_NOT_BUILD)
    with pytest.raises(EvenkeelError, match="It does not build on trial"):
        dkms_transaction.converge(JOB, SOURCE, [READY], check_mode=False)


def test_a_transaction_that_failed_for_another_reason_reports_that(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, {}, failures={f"apply {SOURCE}={NEW}": REFUSED})
    with pytest.raises(EvenkeelError, match="apt did not install it"):
        dkms_transaction.converge(JOB, SOURCE, [BARE], check_mode=False)
    assert manager.calls[-1] == f"apply {SOURCE}={NEW}"
