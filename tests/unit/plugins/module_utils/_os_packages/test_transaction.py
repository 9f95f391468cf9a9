# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction is judged before it is done: versions, what it may change, and what it may not."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import transaction as packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, Request, Wanted

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

NEWEST = ["610.57.04-1", "580.178.04-1", "580.159.03-1"]


@pytest.mark.parametrize(
    ("full", "version", "expected"),
    [
        ("580.178.04-1", "580.178.04", True),
        ("580.178.04-1", "580.178.04-1", True),
        ("580.178.04-1", "580.178", False),
        ("580.178.04-1", "580.178.0", False),
        ("580.178.04-1", "", True),
        ("3:580.178.04-1.el9", "580.178.04", True),
        ("3:580.178.04-1.el9", "580.178.04-1.el9", True),
        ("3:580.178.04-1.el9", "3:580.178.04-1.el9", True),
        ("570.172.08-0ubuntu0.24.04.1", "570.172.08", True),
        ("2.40", "2.40", True),
        ("1-2-3", "1-2", True),
        ("1-2-3", "1", False),
    ],
)
def test_versions_of_packages_and_of_the_software(full: str, version: str, expected: bool) -> None:
    assert packages.matches(full, version) is expected


def test_what_is_installed_and_held_needs_nothing_and_nobody_is_asked() -> None:
    manager = FakeManager({"driver": "580.178.04-1", "bash": "5"}, {"driver"})
    assert packages.plan(manager, Request((Wanted("driver", "580.178.04"),), hold=("driv*",))) == Plan()
    assert manager.calls == []


def test_an_exact_version_is_installed_and_its_family_held() -> None:
    brings = {"driver": {"library": "580.178.04-1"}}
    manager = FakeManager({"driver": "580.159.03-1"}, {"driver"}, {"driver": NEWEST}, brings=brings)
    request = Request((Wanted("driver", "580.178.04"),), hold=("driver", "lib*"), of_version={"driver": "580.178.04"})
    plan = packages.plan(manager, request)
    assert (plan.install, plan.hold) == (("driver=580.178.04-1",), ("driver", "library"))
    diff = plan.diff()
    assert diff["before"].splitlines() == ["driver 580.159.03-1"]
    assert diff["after"].splitlines() == ["driver 580.178.04-1", "held: library", "library 580.178.04-1"]
    packages.apply(manager, plan)
    assert manager.calls == [
        "simulate driver=580.178.04-1",
        "apply driver=580.178.04-1",
        "hold driver library",
    ]


def test_holds_that_are_no_longer_wanted_are_released() -> None:
    manager = FakeManager({"driver": "1-1", "mine": "1-1"}, {"driver", "mine"})
    plan = packages.plan(manager, Request(release=("driver*",)))
    assert plan == Plan(release=("driver",))
    packages.apply(manager, plan)
    assert (manager.calls, manager.holds) == (["release driver"], {"mine"})
    assert (plan.changed, plan.diff()["before"], plan.diff()["after"]) == (True, "held: driver\n", "")


def test_what_is_gone_is_not_held() -> None:
    manager = FakeManager({"old": "1-1", "driver": "1-1"}, repositories={"new": ["1-1"]}, brings={"new": {"old": ""}})
    request = Request((Wanted("new"),), absent=("driver",), hold=("old", "driver", "new"), may_go=("old",))
    plan = packages.plan(manager, request)
    assert (plan.install, plan.remove, plan.hold) == (("new",), ("driver",), ("new",))


def test_what_somebody_else_holds_stops_the_plan() -> None:
    manager = FakeManager({"mine": "1-1"}, {"mine"}, {"driver": NEWEST}, brings={"driver": {"mine": "2-1"}})
    with pytest.raises(EvenkeelError, match="what somebody holds: mine 1-1 -> 2-1"):
        packages.plan(manager, Request((Wanted("driver"),)))


def test_steps_change_what_is_installed() -> None:
    steps = [Step("old", "1-1", ""), Step("driver", "1-1", "2-1"), Step("new", "", "3-1"), Step("unknown", "", "")]
    assert packages.after({"old": "1-1", "driver": "1-1"}, steps) == {"driver": "2-1", "new": "3-1"}


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (8, "they have 8, 7, 6, 5, 4, 3, 2, 1. Choose"),
        (9, "they have 9, 8, 7, 6, 5, 4, 3, 2 and 1 more. Choose"),
        (10, "they have 10, 9, 8, 7, 6, 5, 4, 3 and 2 more. Choose"),
    ],
)
def test_of_many_versions_the_newest_are_named_and_the_others_counted(known: int, words: str) -> None:
    versions = [f"{number}-1" for number in range(known, 0, -1)]
    with pytest.raises(EvenkeelError) as raised:
        packages.spec("%s=%s", Wanted("driver", "11"), versions)
    assert words in str(raised.value)


def test_a_package_without_a_version_is_the_managers_choice() -> None:
    assert packages.spec("%s=%s", Wanted("driver"), NEWEST) == "driver"
    assert packages.spec("%s=%s", Wanted("driver", "580.178.04"), NEWEST) == "driver=580.178.04-1"


def test_a_version_that_the_repositories_lack_is_told_with_those_that_they_have() -> None:
    with pytest.raises(
        EvenkeelError, match=r"no version 580\.1 of driver; they have 610\.57\.04, 580\.178\.04, 580\.15"
    ):
        packages.plan(FakeManager(repositories={"driver": NEWEST}), Request((Wanted("driver", "580.1"),)))


def test_a_package_without_any_version_is_one_that_no_repository_has() -> None:
    with pytest.raises(EvenkeelError, match="No repository of the node has the package driver"):
        packages.plan(FakeManager(repositories={"driver": []}), Request((Wanted("driver"),)))


def test_a_package_that_no_repository_has() -> None:
    manager = FakeManager(repositories={"nvidia-590-open": ["1-1"], "nvidia-610-open": ["1-1"], "nvidia-610": ["1-1"]})
    with pytest.raises(
        EvenkeelError, match=r"has the package nvidia-580-open, but nvidia-590-open, nvidia-610-open\. "
    ):
        packages.plan(manager, Request((Wanted("nvidia-580-open"),)))
    with pytest.raises(
        EvenkeelError, match=r"has the package nvidia\. Check the repository's address.* distribution\.$"
    ):
        packages.plan(FakeManager(), Request((Wanted("nvidia"),)))


def test_what_must_not_be_there_may_be_named_by_its_source() -> None:
    manager = FakeManager({"utils-server": "1-0", "utils": "1-1"}, built_from={"utils-server": "driver-server"})
    request = Request(absent=("src:driver-*",))
    assert not packages.is_there(manager, request)
    assert packages.plan(manager, request).remove == ("utils-server",)


def test_patterns_of_source_packages() -> None:
    sources = {"libcuda1": "nvidia-graphics-drivers-580", "libc6": "glibc"}
    found = packages.matching(
        ["libcuda1", "libc6", "nvidia-graphics-drivers"], ["src:nvidia-graphics*", "bash"], sources
    )
    assert found == ("libcuda1", "nvidia-graphics-drivers")
    assert packages.matching(["src:x"], ["src:*"]) == ("src:x",)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([Step("linux-image-amd64", "6.1", "6.2")], "would change what it must not: linux-image-amd64 6.1 -> 6.2"),
        ([Step("desktop", "1-1", "")], "would remove others: desktop 1-1 -> removed"),
        ([Step("mine", "1-1", "2-1")], "what somebody holds: mine 1-1 -> 2-1"),
        ([Step("lib-a", "", "610.57.04-1")], "other versions than 580.178.04: lib-a 610.57.04-1"),
    ],
    ids=["a kernel", "somebody's package", "somebody's hold", "another branch"],
)
def test_a_transaction_that_does_what_it_must_not(steps: list[Step], words: str) -> None:
    request = Request(refuse=("linux-image-*",), may_go=("old*",), of_version={"lib-*": "580.178.04"})
    with pytest.raises(EvenkeelError, match=words):
        packages.judge(request, steps, held=["mine"])


@pytest.mark.parametrize(
    "step",
    [Step("old-driver", "1-1", ""), Step("gone", "1-1", ""), Step("lib-a", "", "580.178.04-1"), Step("bash", "", "5")],
)
def test_a_transaction_that_is_allowed(step: Step) -> None:
    request = Request(absent=("gone",), refuse=("linux-*",), may_go=("old*",), of_version={"lib-*": "580.178.04"})
    packages.judge(request, [step], held=["gone", "mine"])


def test_what_is_held_changes_where_it_is_ours_to_hold_or_to_release() -> None:
    request = Request(hold=("ours",), release=("free",))
    packages.judge(request, [Step("ours", "1-1", "2-1"), Step("free", "1-1", "2-1")], held=["ours", "free"])


OURS, OTHERS = "https://user:word@mirror/nvidia/", "http://archive/ubuntu"
PRINTED = "https://mirror/nvidia"


def test_packages_of_the_family_come_to_the_version_or_go_in_the_same_transaction() -> None:
    manager = FakeManager(
        {"driver": "580.159.03-1", "tool": "615.71.09-1", "old-535": "535.1-0", "bash": "5"},
        {"tool"},
        {"driver": NEWEST, "tool": ["615.71.09-1", "580.178.04-1"], "old-535": ["535.1-0"]},
        built_from={"old-535": "graphics-drivers-535"},
    )
    family = ("src:graphics-drivers*", "driver", "tool")
    of_version = dict.fromkeys(family, "580.178.04")
    request = Request((Wanted("driver", "580.178.04"),), of_version=of_version, may_go=family, hold=family)
    assert not packages.is_there(manager, request)
    plan = packages.plan(manager, request)
    assert plan.install == ("driver=580.178.04-1", "tool=580.178.04-1")
    assert (plan.remove, plan.hold) == (("old-535",), ("driver", "tool"))
    packages.apply(manager, plan)
    assert packages.is_there(manager, request)
    assert packages.plan(manager, request) == Plan()


@pytest.mark.parametrize(
    ("tool", "expected"), [("580.178.04-1", True), ("615.71.09-1", False)], ids=["of the driver's version", "newer"]
)
def test_all_is_there_only_if_the_whole_family_is_of_its_version(tool: str, expected: bool) -> None:
    manager = FakeManager({"driver": "580.178.04-1", "tool": tool}, built_from={"tool": "driver-tools"})
    of_version = {"src:driver-tools": "580.178.04"}
    assert packages.is_there(manager, Request((Wanted("driver", "580.178.04"),), of_version=of_version)) is expected


def test_what_depends_on_the_old_driver_is_refused_by_name() -> None:
    manager = FakeManager(
        {"old-535": "535.1-0", "render-farm": "1-1"},
        repositories={"driver": NEWEST},
        built_from={"old-535": "graphics-drivers-535"},
        takes={"old-535": ["render-farm"]},
    )
    family = ("src:graphics-drivers*",)
    request = Request((Wanted("driver", "580.178.04"),), of_version={family[0]: "580.178.04"}, may_go=family)
    with pytest.raises(EvenkeelError, match=r"would remove others: render-farm 1-1 -> removed"):
        packages.plan(manager, request)


def test_a_hold_of_the_old_driver_does_not_block_and_one_of_another_does() -> None:
    request = Request(hold=("src:graphics-drivers*",), may_go=("src:graphics-drivers*", "mine"))
    steps = [Step("old-535", "535.1-0", "")]
    packages.judge(request, steps, held=["old-535"], sources={"old-535": "graphics-drivers-535"})
    with pytest.raises(EvenkeelError, match="what somebody holds: mine"):
        packages.judge(request, [Step("mine", "1-1", "")], held=["mine"])


def of_two_repositories(*urls: str, brings: str = "580.178.04-0ubuntu1") -> FakeManager:
    """Return a node whose repositories have the same version of the software twice."""
    return FakeManager(
        repositories={"driver": ["580.178.04-1", "580.178.04-0ubuntu1"], "library": ["580.178.04-0ubuntu1"]},
        brings={"driver": {"library": brings}} if brings else {},
        urls={"driver=580.178.04-1": urls, "driver=580.178.04-0ubuntu1": [OTHERS], f"library={brings}": [OTHERS]},
        built_from={"driver": "graphics-drivers-580", "library": "graphics-drivers-580"},
    )


def test_a_driver_comes_from_its_repository_alone() -> None:
    origin = {"driver": OURS, "src:graphics-drivers*": OURS}
    request = Request((Wanted("driver", "580.178.04"),), of_origin=origin)
    assert packages.plan(of_two_repositories(PRINTED, brings=""), request).install == ("driver=580.178.04-1",)
    with pytest.raises(EvenkeelError, match=r"from another repository than \S+nvidia/: library 580\.178\.04-0ubuntu1"):
        packages.plan(of_two_repositories(PRINTED), request)
    with pytest.raises(EvenkeelError, match=r"mirror/nvidia/ does not have the package driver, but others have"):
        packages.plan(of_two_repositories(OTHERS), request)
    assert packages.plan(of_two_repositories(OTHERS), Request((Wanted("driver", "580.178.04"),))).steps


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///srv/nvidia/", "file:/srv/nvidia"),
        ("file:/srv/nvidia", "file:/srv/nvidia"),
        (OURS, PRINTED),
        (PRINTED, PRINTED),
    ],
)
def test_a_repository_has_one_place(url: str, expected: str) -> None:
    assert packages.place(url) == expected


def test_patterns_match_whole_names() -> None:
    names = ["nvidia-driver", "nvidia-driver-cuda", "nvidia-container-toolkit", "xnvidia-driver"]
    assert packages.matching(names, ["nvidia-driver*"]) == ("nvidia-driver", "nvidia-driver-cuda")
    assert packages.matching(names, []) == ()


def test_what_preferences_forbid_comes_to_what_they_allow_or_goes() -> None:
    allowed = {"libnvidia-gpucomp-580": "", "nvidia-modprobe": "570-1", "somebodys": ""}
    others = {"nvidia-utils": "580-1", "somebodys": "1"}
    installed = {"libnvidia-gpucomp-580": "580-1", "nvidia-modprobe": "580-1", **others}
    repositories = {"nvidia-modprobe": ["580-1", "570-1"]}
    manager = FakeManager(installed, repositories=repositories, allowed=allowed)
    family = ("nvidia-*", "libnvidia-*")
    request = Request(by_preferences=family, may_go=family)
    assert not packages.is_there(manager, request)
    plan = packages.plan(manager, request)
    assert (plan.install, plan.remove) == (("nvidia-modprobe=570-1",), ("libnvidia-gpucomp-580",))
    packages.apply(manager, plan)
    assert packages.is_there(manager, request)
    assert not packages.plan(manager, request).changed
    assert manager.packages == {"nvidia-modprobe": "570-1", **others}
