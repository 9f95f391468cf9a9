# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that modules have brought go, and no others: neither what was there before nor what others need."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Refused
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.removal import Removal

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

BY = "front_door"
NODE = {"nginx": "1", "nginx-common": "1", "libnginx": "1", "vim": "1"}


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "FOLDER", str(tmp_path))


def node(monkeypatch: pytest.MonkeyPatch, **state: object) -> FakeManager:
    manager = FakeManager(**{"packages": dict(NODE), **state})  # type: ignore[arg-type]
    manager.serve(monkeypatch)
    return manager


def brought(*names: str, by: str = BY, kind: str = "package") -> None:
    made.note(by, [Thing(kind, name) for name in names])


def remove(*modules: str, check_mode: bool = False) -> Removal:
    return removal.remove(modules or (BY,), lock_timeout=7, check_mode=check_mode)


def test_what_was_brought_goes_with_its_settings_and_the_second_time_nothing_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = node(monkeypatch, holds={"nginx", "vim"})
    brought("nginx", "nginx-common", "gone-long-ago")
    brought("nginx", kind="hold")
    rehearsed = remove(check_mode=True)
    assert rehearsed.changed
    assert manager.packages == NODE
    assert made.read(BY)
    done = remove()
    assert done.plan == rehearsed.plan
    assert (manager.packages, manager.holds) == ({"libnginx": "1", "vim": "1"}, {"vim"})
    assert manager.rests == []
    assert manager.calls[-4:] == ["wait", "release nginx", "apply nginx- nginx-common-", "purge nginx nginx-common"]
    assert made.read(BY) == []
    assert remove() == Removal()
    assert manager.timeouts == [7, 7]


def test_a_node_without_a_record_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch)
    assert not remove().changed
    assert manager.timeouts == []


@pytest.mark.parametrize(
    ("takes", "stays"),
    [
        ({"nginx-common": ("nginx", "site-of-others")}, {"nginx-common"}),
        ({"nginx": ("site-of-others",)}, {"nginx"}),
        (dict.fromkeys(NODE, ("site-of-others",)), {"nginx", "nginx-common", "libnginx"}),
    ],
)
def test_what_others_need_stays_and_is_named(
    monkeypatch: pytest.MonkeyPatch, takes: dict[str, tuple[str, ...]], stays: set[str]
) -> None:
    manager = node(monkeypatch, takes=takes, packages={**NODE, "site-of-others": "1"})
    brought("nginx", "nginx-common", "libnginx")
    assert remove(check_mode=True).left == remove().left
    assert set(manager.packages) == {"vim", "site-of-others", *stays}
    assert {thing.name for thing in made.read(BY)} == stays
    again = remove()
    assert again.left == tuple(f"the package {name}: site-of-others would go too" for name in sorted(stays))
    assert not again.changed


def test_what_the_manager_refuses_to_remove_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refused("apt cannot remove it", "Look")
    node(monkeypatch, failures={"simulate nginx-": refusal, "simulate nginx- nginx-common-": refusal})
    brought("nginx", "nginx-common")
    assert remove().plan.remove == ("nginx-common",)


def test_of_two_alternatives_neither_goes_where_others_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch)
    simulate = FakeManager.simulate

    def needs_one(self: FakeManager, install: list[str], going: list[str]) -> object:
        return simulate(self, install, [*going, *(["vim"] if {"nginx", "libnginx"} <= set(going) else [])])

    monkeypatch.setattr(FakeManager, "simulate", needs_one)
    brought("nginx", "nginx-common", "libnginx")
    found = remove()
    assert "the package nginx: vim would go too" in found.left
    assert manager.packages == NODE


def test_records_of_two_modules_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch)
    brought("nginx", by="package_mirror")
    brought("nginx-common")
    remove(BY, "package_mirror")
    assert set(manager.packages) == {"libnginx", "vim"}
    assert [made.read(by) for by in (BY, "package_mirror")] == [[], []]


def test_settings_that_somebody_has_changed_stay_and_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, by_hand={"nginx-common": ["/etc/nginx/nginx.conf"]})
    brought("nginx", "nginx-common")
    assert remove().warnings == ("/etc/nginx/nginx.conf was changed or added on the node, and stays",)
    assert manager.rests == ["nginx-common"]
    assert not remove().changed


def test_a_run_that_was_killed_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, unfinished=["nginx"])
    brought("nginx", "nginx-common")
    assert remove(check_mode=True).unknown == ("which packages would go, because nginx is half-installed",)
    assert remove().healed == ("nginx",)
    assert set(manager.packages) == {"libnginx", "vim"}


def test_a_run_that_was_killed_before_it_purged_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, failures={"purge": EvenkeelError("killed", "")})
    brought("nginx")
    with pytest.raises(EvenkeelError, match="killed"):
        remove()
    assert manager.rests == ["nginx"]
    manager.failures = {}
    assert remove(check_mode=True).changed
    remove()
    assert (manager.rests, made.read(BY)) == ([], [])


def test_nothing_is_removed_while_the_package_manager_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, failures={"apply": EvenkeelError("apt did not change nginx", "Look")})
    brought("nginx")
    with pytest.raises(EvenkeelError, match="did not change nginx"):
        remove()
    assert manager.packages == NODE
    assert made.read(BY) == [Thing("package", "nginx")]


def test_what_is_to_be_kept_stays_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, packages={"linux-image-6.1": "1", "linux-base": "1", "dkms": "1"})
    manager.takes = {"linux-base": ("linux-image-6.1",)}
    brought("linux-image-6.1", "linux-base", "dkms")
    found = removal.remove([BY], lock_timeout=7, check_mode=False, keep={"linux-image-*": "it is of a kernel"})
    assert found.left == (
        "the package linux-base: linux-image-6.1 would go too",
        "the package linux-image-6.1: it is of a kernel",
    )
    assert set(manager.packages) == {"linux-image-6.1", "linux-base"}
    assert not removal.remove(
        [BY], lock_timeout=7, check_mode=False, keep={"linux-image-*": "it is of a kernel"}
    ).changed


@pytest.mark.parametrize(
    ("holds", "left"),
    [({"driver", "vim"}, ("the package python3-dnf-plugin-versionlock: it holds vim",)), ({"driver"}, ()), (set(), ())],
)
def test_what_holds_packages_stays_as_long_as_others_are_held(
    monkeypatch: pytest.MonkeyPatch, holds: set[str], left: tuple[str, ...]
) -> None:
    packages = {"python3-dnf-plugin-versionlock": "1", "driver": "1", "vim": "1"}
    manager = node(monkeypatch, packages=packages, holds=holds, name="dnf")
    brought("python3-dnf-plugin-versionlock", "driver")
    brought("driver", kind="hold")
    assert remove().left == left
    assert set(manager.packages) == {"vim", *(["python3-dnf-plugin-versionlock"] if left else [])}
