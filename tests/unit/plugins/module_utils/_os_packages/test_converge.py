# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository and its packages come to a node in phases: nothing changes before all that can be known is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import TimedOut
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge, foreign_sources, repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.apt import Apt
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.converge import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.dnf import Dnf
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.foreign_sources import Foreign
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager, Refused, Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository, Trial
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, Request, Wanted

from tests.unit.plugins.module_utils._os_packages.fakes import STAGED, STAGED_SOURCE, FakeManager

BY = "nvidia_driver"
CUDA = Repository("cuda", "apt", "http://m/debian12/", "http://m/keyring.deb", "a" * 64)
#: A file of the package manager that is nowhere.
PREFERENCES = {"/etc/apt/preferences.d/evenkeel-of-a-test": "Package: driver\n"}
DRIVER = Request((Wanted("driver", "2"),), hold=("driver",))


def node(monkeypatch: pytest.MonkeyPatch, **state: object) -> FakeManager:
    """Return the package manager of a node that has the driver 1, and whose repositories have 2."""
    given = {"packages": {"driver": "1-1"}, "repositories": {"driver": ["2-1", "1-1"]}, **state}
    manager = FakeManager(**given)  # type: ignore[arg-type]
    manager.serve(monkeypatch)
    return manager


def test_the_phases_of_a_change_and_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch)

    def build(staged: Manager, plan: Plan) -> None:
        assert isinstance(staged, FakeManager)
        assert staged.settings == STAGED
        manager.calls.append(" ".join(["build", *map(str, plan.steps)]))

    job = Job(BY, DRIVER, CUDA, PREFERENCES, lock_timeout=7)
    outcome = converge.converge(job, check_mode=False, before=build)
    assert manager.calls == [
        "wait",
        f"staged: refresh {STAGED_SOURCE}",
        "staged: simulate driver=2-1",
        "build driver 1-1 -> 2-1",
        "files take effect",
        "wait",
        f"refresh {CUDA.path}",
        "apply driver=2-1",
        "hold driver",
    ]
    assert manager.timeouts == [7, 7]
    assert (manager.limits, manager.rehearsals) == ([None, None], [False])
    assert manager.swept == ["build driver 1-1 -> 2-1"]
    assert [change.path for change in outcome.files] == [*PREFERENCES]
    assert outcome.changed


def test_a_check_of_the_same_does_nothing_to_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, unfinished=["halfway"])

    def build(staged: Manager, plan: Plan) -> None:
        raise AssertionError("nothing is built in check mode")

    outcome = converge.converge(Job(BY, DRIVER, CUDA, PREFERENCES), check_mode=True, before=build)
    assert manager.calls == [f"staged: refresh {STAGED_SOURCE}", "staged: simulate driver=2-1"]
    assert (outcome.changed, outcome.healed, manager.unfinished) == (True, ("halfway",), ["halfway"])
    assert manager.swept == []
    assert (manager.limits, manager.rehearsals) == ([None, 300], [True])


REFUSED = Refused("apt cannot install driver", "Look")
SILENT = TimedOut("`apt-get update` did not end within 300 seconds", "Look")


@pytest.mark.parametrize(
    ("call", "error", "state", "words"),
    [
        ("simulate", REFUSED, {"user": "/lock is locked by apt, pid 7"}, "because /lock is locked by apt, pid 7; as"),
        (
            "simulate",
            REFUSED,
            {"unfinished": ["one", "two"]},
            "one is half-installed, two is half-installed; as",
        ),
        ("simulate", REFUSED, {}, ""),
        ("refresh", SILENT, {}, "which packages would change: `apt-get update` did not end within 300 seconds"),
        ("simulate", SILENT, {}, "which packages would change: `apt-get update` did not end within 300 seconds"),
        ("refresh", EvenkeelError("404 of the repository", "Look"), {"user": "somebody"}, ""),
    ],
    ids=["locked", "half-installed", "never", "slow", "slow later", "not there"],
)
def test_what_is_no_fault_of_the_declaration_is_unknown(
    monkeypatch: pytest.MonkeyPatch, call: str, error: EvenkeelError, state: dict[str, object], words: str
) -> None:
    manager = node(monkeypatch, failures={call: error}, **state)
    job = Job(BY, DRIVER, CUDA, PREFERENCES)
    if not words:
        with pytest.raises(EvenkeelError, match=error.what):
            converge.converge(job, check_mode=True)
        return
    outcome = converge.converge(job, check_mode=True)
    (why,) = outcome.unknown
    assert words in why
    assert error.what in why
    assert (outcome.changed, outcome.plan) == (True, Plan())
    assert [change.path for change in outcome.files] == [*PREFERENCES]
    with pytest.raises(EvenkeelError, match=error.what):
        converge.converge(job, check_mode=False)
    assert "files take effect" not in manager.calls


@pytest.mark.parametrize("user", ["", "somebody"])
def test_a_version_that_no_repository_has_is_refused_in_a_rehearsal_too(
    monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    node(monkeypatch, user=user)
    with pytest.raises(EvenkeelError, match="have no version 9 of driver; they have 2, 1"):
        converge.converge(Job(BY, Request((Wanted("driver", "9"),)), CUDA), check_mode=True)


def test_a_rehearsal_refuses_a_removal_that_the_run_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    node(monkeypatch, brings={"driver": {"desktop": ""}}, packages={"driver": "1-1", "desktop": "1"})
    with pytest.raises(Refused, match="would remove others: desktop 1 -> removed"):
        converge.converge(Job(BY, DRIVER, CUDA), check_mode=True)


def test_what_a_killed_run_left_is_finished_first(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch, unfinished=["halfway"])
    outcome = converge.converge(Job(BY, Request((Wanted("driver"),))), check_mode=False)
    assert (manager.calls, outcome.healed, outcome.changed) == (["heal"], ("halfway",), True)


@pytest.mark.parametrize("check_mode", [True, False])
def test_nothing_is_finished_that_takes_a_package_of_others_away(
    monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    there = {"driver-dkms": "1", "docker-ce": "1", "ours": "1"}
    manager = node(monkeypatch, packages=there, unfinished=["docker-ce"], doomed=["docker-ce", "driver-dkms", "ours"])
    made.note(BY, [Thing("package", "ours")])
    with pytest.raises(EvenkeelError, match="finishing them would remove docker-ce"):
        converge.converge(Job(BY, BROKEN), check_mode=check_mode)
    assert (manager.calls, manager.packages) == (["sources"], there)


BROKEN = Request((Wanted("driver", "2"),), hold=("linux-*",), may_go=("driver*", "meta"), unfinished=("linux-*",))


@pytest.mark.parametrize(
    ("there", "unfinished", "takes", "calls", "left"),
    [
        (
            {"driver-dkms": "3-1"},
            ["driver-dkms", "tool"],
            {},
            ["heal", "simulate driver-dkms-", "apply driver-dkms-", "heal"],
            ["driver"],
        ),
        (
            {"driver-dkms": "3-1", "meta": "3-1"},
            ["driver-dkms"],
            {"driver-dkms": ["meta"]},
            ["heal", "simulate driver-dkms-", "apply driver-dkms-", "heal"],
            ["driver"],
        ),
        ({"linux-image-6": "6"}, ["linux-image-6"], {}, ["heal"], ["driver", "linux-image-6"]),
    ],
    ids=["a driver", "with what depends on it", "a kernel, which the new driver finishes"],
)
def test_what_cannot_be_finished_and_may_go_is_removed(
    there: dict[str, str],
    unfinished: list[str],
    takes: dict[str, list[str]],
    calls: list[str],
    left: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = node(
        monkeypatch,
        packages={"driver": "2-1", **there},
        unfinished=list(unfinished),
        stubborn=["driver-dkms", "linux-image-6"],
        takes=takes,
    )
    outcome = converge.converge(Job(BY, BROKEN), check_mode=False)
    healing = [call for call in manager.calls if call == "heal" or "-dkms-" in call]
    assert (healing, sorted(manager.packages), outcome.healed) == (calls, left, tuple(unfinished))
    # What only the transaction can finish makes one, even if all is there.
    assert ("files take effect" in manager.calls) is ("linux-image-6" in there)
    assert manager.holds == {"linux-image-6"}.intersection(there)


@pytest.mark.parametrize(
    ("unfinished", "takes"),
    [(["database"], {}), (["driver-dkms", "database"], {}), (["driver-dkms"], {"driver-dkms": ["database"]})],
    ids=["of somebody else", "and of somebody else", "somebody else's depends on it"],
)
def test_what_cannot_be_finished_and_is_somebody_else_s_stops_the_run(
    unfinished: list[str], takes: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"driver": "2-1", "driver-dkms": "3-1", "database": "1"}
    manager = node(monkeypatch, packages=dict(there), unfinished=unfinished, stubborn=list(there), takes=takes)
    with pytest.raises(EvenkeelError, match="dpkg cannot configure"):
        converge.converge(Job(BY, BROKEN), check_mode=False)
    assert manager.packages["database"] == "1"
    assert "files take effect" not in manager.calls


@pytest.mark.parametrize(
    ("call", "stays"),
    [
        (f"refresh {STAGED_SOURCE}", []),
        ("simulate driver=2-1", []),
        ("build", []),
        (f"refresh {CUDA.path}", ["files take effect"]),
    ],
)
def test_what_fails_first_leaves_the_rest_undone(monkeypatch: pytest.MonkeyPatch, call: str, stays: list[str]) -> None:
    manager = node(monkeypatch, failures={call: EvenkeelError("It failed", "Look")})

    def build(staged: Manager, plan: Plan) -> None:
        if "build" in manager.failures:
            raise manager.failures["build"]

    with pytest.raises(EvenkeelError, match="It failed"):
        converge.converge(Job(BY, DRIVER, CUDA, PREFERENCES), check_mode=False, before=build)
    assert [said for said in manager.calls if said.split()[0] in ("files", "apply", "hold")] == stays
    assert manager.packages == {"driver": "1-1"}


@pytest.mark.parametrize("check_mode", [False, True])
def test_where_all_is_there_only_holds_change_and_no_repository_is_asked(
    monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    manager = node(monkeypatch, packages={"driver": "2-1", "old": "1-1"}, holds={"old"})
    request = Request((Wanted("driver", "2"),), hold=("driver",), release=("old",))
    outcome = converge.converge(Job(BY, request), check_mode=check_mode)
    assert manager.calls == ([] if check_mode else ["release old", "hold driver"])
    assert outcome == converge.Outcome((), Plan(hold=("driver",), release=("old",)), ())
    assert outcome.changed


def test_what_comes_is_recorded_before_it_comes_and_what_was_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Thing]] = []
    manager = node(
        monkeypatch,
        repositories={"driver": ["2-1"], "cuda": ["13-1"]},
        during={"apply": lambda: seen.append(made.read(BY))},
    )
    request = Request((Wanted("driver", "2"), Wanted("cuda")), hold=("cuda",))
    converge.converge(Job(BY, request), check_mode=True)
    assert made.read(BY) == []
    converge.converge(Job(BY, request), check_mode=False)
    assert seen[0] == [Thing("hold", "cuda"), Thing("package", "cuda")]
    converge.converge(Job(BY, Request(release=("cuda",))), check_mode=False)
    assert made.read(BY) == [Thing("package", "cuda")]
    converge.converge(Job(BY, Request(absent=("cuda", "driver"))), check_mode=False)
    assert made.read(BY) == []
    assert manager.packages == {}


def test_what_must_not_be_there_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch)
    plans: list[Plan] = []
    job = Job(BY, Request(absent=("driver",)))
    converge.converge(job, check_mode=False, before=lambda _staged, plan: plans.append(plan))
    assert manager.packages == {}
    assert [plan.remove for plan in plans] == [("driver",)]


def test_a_repository_that_is_not_the_nodes_yet_comes_though_all_packages_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = node(monkeypatch)
    monkeypatch.setattr(repository, "changed", lambda one, coming: one == CUDA)
    converge.converge(Job(BY, Request((Wanted("driver"),)), CUDA), check_mode=False)
    assert "files take effect" in manager.calls


@pytest.mark.parametrize(
    ("fresh", "of", "asked"),
    [
        (False, None, ["staged: refresh", "refresh"]),
        (False, CUDA, [f"staged: refresh {STAGED_SOURCE}", f"refresh {CUDA.path}"]),
        (
            True,
            CUDA,
            ["staged: refresh", f"staged: refresh {STAGED_SOURCE}", "refresh", f"refresh {CUDA.path}"],
        ),
        (True, None, ["staged: refresh", "refresh"]),
    ],
    ids=["the node's own", "ours", "ours on a fresh node", "the node's own on a fresh node"],
)
def test_lists_are_fetched_of_the_repository_alone_but_on_a_fresh_node(
    monkeypatch: pytest.MonkeyPatch, fresh: bool, of: Repository | None, asked: list[str]
) -> None:
    manager = node(monkeypatch, fresh=fresh)
    converge.converge(Job(BY, DRIVER, of), check_mode=False)
    assert [call for call in manager.calls if "refresh" in call] == asked


def test_a_second_run_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = node(monkeypatch)
    converge.converge(Job(BY, DRIVER), check_mode=False)
    manager.calls.clear()
    assert not converge.converge(Job(BY, DRIVER), check_mode=False).changed
    assert manager.calls == []


def test_differences_are_those_of_files_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    node(monkeypatch)
    outcome = converge.converge(Job(BY, DRIVER, files=PREFERENCES), check_mode=True)
    of_file, of_packages = outcome.diffs()
    assert of_file["after"] == "Package: driver\n"
    assert (of_packages["before"], of_packages["after"]) == ("driver 1-1\n", "driver 2-1\nheld: driver\n")
    assert converge.Outcome().diffs() == []
    assert not converge.Outcome().changed
    assert of_packages["before_header"] == of_packages["after_header"] == "packages"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["/etc/debian_version", "/etc/redhat-release"], Apt),
        (["/etc/redhat-release"], Dnf),
    ],
    ids=["Debian, where rpm may be too", "Red Hat"],
)
def test_the_manager_is_that_of_the_family(
    monkeypatch: pytest.MonkeyPatch, files: list[str], expected: type[Apt | Dnf]
) -> None:
    monkeypatch.setattr(converge.os.path, "exists", lambda path: path in files)
    manager = converge.manager_of_node(("a=b",), 7)
    assert isinstance(manager, expected)
    assert manager.lock_timeout == 7
    assert manager.options == (("-oa=b",) if expected is Apt else ("--setopt=a=b",))


def test_a_node_of_neither_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converge.os.path, "exists", lambda path: False)
    with pytest.raises(EvenkeelError, match="neither the Debian nor the Red Hat family"):
        converge.manager_of_node()


def test_a_file_that_somebody_else_has_made_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    manager = node(monkeypatch, packages={"driver": "2-1"})
    foreign = tmp_path / "preferences"
    foreign.write_text("Package: *\n")
    with pytest.raises(EvenkeelError, match="was not written by Evenkeel"):
        converge.converge(Job(BY, DRIVER, files={str(foreign): kept_files.MARK}), check_mode=False)
    assert manager.calls == []


def test_packages_of_a_modules_option() -> None:
    option = [{"name": "driver", "version": "2"}, {"name": "tool", "version": ""}]
    assert converge.wanted(option) == (Wanted("driver", "2"), Wanted("tool"))


def test_a_package_of_another_architecture_is_no_claim_to_that_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    # apt's own name for libc6:i386 is libc6, and what is removed by that name is the node's.
    manager = node(monkeypatch, packages={"libc6": "2"}, repositories={"driver": ["2-1"]})
    steps = [Step("libc6", "", "2"), Step("driver", "", "2-1")]
    monkeypatch.setattr(FakeManager, "simulate", lambda *_unused: steps)
    converge.converge(Job(BY, Request((Wanted("driver"),))), check_mode=False)
    assert "libc6" in manager.packages
    assert made.read(BY) == [Thing("package", "driver")]


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_could_not_be_fetched_is_said_where_a_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    manager = node(monkeypatch, fresh=True, unfetched="The repository 'http://m/a' is not signed.")
    converge.converge(Job(BY, DRIVER, CUDA), check_mode=check_mode)
    manager.packages.clear()
    with pytest.raises(EvenkeelError, match=r"has the package dkms\. Not all .* fetched: The repository 'http://m/a'"):
        converge.converge(Job(BY, Request((Wanted("dkms"),))), check_mode=check_mode)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_node_without_its_distribution_is_said_where_a_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    manager = node(monkeypatch, enable="Register the node")
    manager.packages.clear()
    words = r"has the package dkms\. No repository of the distribution is enabled on the node\. Register the node\."
    with pytest.raises(EvenkeelError, match=words):
        converge.converge(Job(BY, Request((Wanted("dkms"),)), CUDA), check_mode=check_mode)


def of_others(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Foreign:
    """Return a file of others that names a repository of ours until it is taken over."""
    path = folder / "cuda-ubuntu2404-x86_64.list"
    path.write_text("deb http://m/debian12/ /\n")
    copy = foreign_sources.kept_path(str(path))
    before = kept_files.read(str(path))
    found = Foreign(kept_files.Change(str(path), before, None), kept_files.Change(copy, None, before))
    monkeypatch.setattr(repository, "foreign", lambda *of: [found] if path.exists() else [])
    return found


def test_a_killed_run_is_finished_with_sources_that_apt_can_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = of_others(monkeypatch, tmp_path)
    seen: list[bool] = []
    manager = node(
        monkeypatch,
        unfinished=["halfway"],
        during={"heal": lambda: seen.append(Path(found.edit.path).exists())},
    )
    check = converge.converge(Job(BY, Request()), check_mode=True)
    assert Path(found.edit.path).exists()
    assert check.healed == ("halfway",)
    outcome = converge.converge(Job(BY, Request()), check_mode=False)
    assert set(seen) == {False}
    assert outcome.healed == (str(found), "halfway")
    assert made.read(BY) == found.things()
    assert manager.unfinished == []


def test_what_is_taken_over_is_recorded_before_and_is_a_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = of_others(monkeypatch, tmp_path)
    node(monkeypatch, packages={"driver": "2-1"}, holds={"driver"})
    seen: list[list[Thing]] = []

    @contextmanager
    def trial(of: Repository | None, also: object, *, coming: object, rehearsal: bool) -> Iterator[Trial]:
        taken = Trial(None, (), foreign=(found,), healed=(str(found),))
        yield taken

    monkeypatch.setattr(repository, "trial", trial)
    monkeypatch.setattr(foreign_sources, "take_over", lambda taken: seen.append(made.read(BY)))
    check = converge.converge(Job(BY, DRIVER), check_mode=True)
    assert (made.read(BY), seen) == ([], [])
    outcome = converge.converge(Job(BY, DRIVER), check_mode=False)
    assert outcome == check
    assert outcome.healed == (str(found),)
    assert [diff["before_header"] for diff in outcome.diffs()] == [found.copy.path, found.edit.path]
    assert seen == [found.things()]


@pytest.mark.parametrize(("check_mode", "text"), [(False, "repaired: dkms"), (True, "to repair: dkms")])
def test_a_rehearsal_has_repaired_nothing(check_mode: bool, text: str) -> None:
    assert converge.repairs(["dkms"], check_mode=check_mode) == [text]
