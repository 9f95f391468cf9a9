# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation, environment_plan
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import State
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_modes import Permissions
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Desired, Plan, Policy
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import ADOPTED, Contents, Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MIRROR = "https://mirror.example/pkgs/main/linux-64"
NAME = "ai-dev"
SITE = "lib/python3.11/site-packages"
REQUEST = {"packages": ["numpy", "python=3.11"], "channels": ["https://mirror.example/pkgs/main"], "pip": []}
OTHER_REQUEST = {**REQUEST, "packages": ["numpy>=2", "python=3.11"]}


def package(name: str, version: str = "1.0", build: str = "0") -> Package:
    sha256 = (name + version).encode().hex().ljust(64, "0")[:64]
    return Package(name, version, build, sha256, url=f"{MIRROR}/{name}-{version}-{build}.conda")


PYTHON, NUMPY, NEWER = package("python", "3.11.2", "1_cpython"), package("numpy", "2.3.1"), package("numpy", "2.4.0")
EINOPS = Package("einops", "0.8.1", "", "ab" * 32, PIP)
PACKAGES = (NUMPY, PYTHON)
DESIRED, POLICY = Desired(PACKAGES, {}, REQUEST), Policy()


# free_path


@pytest.mark.parametrize(
    ("taken", "path"),
    [
        ([], "/g/abc"),
        (["/g/abd", "/g/abc-2"], "/g/abc"),
        (["/g/abc"], "/g/abc-2"),
        (["/g/abc", "/g/abc-2"], "/g/abc-3"),
        (["/g/abc", "/g/abc-3"], "/g/abc-2"),
    ],
)
def test_free_path(taken: list[str], path: str) -> None:
    assert environment_plan.free_path("/g/abc", taken) == path


# plan

ROOT, LINK, HOME = "/opt/evenkeel", "/opt/evenkeel/envs/ai-dev", "/opt/evenkeel/generations/ai-dev"
PATH = f"{HOME}/{digest(PACKAGES)[:16]}"
NEW = Generation(PATH, PACKAGES, {}, REQUEST, 1)
LIVE = replace(NEW, installer="rattler")
OLD = Generation(f"{HOME}/0123456789abcdef", (PYTHON,), {}, {**REQUEST, "packages": ["python"]}, 1, "", "rattler")
LATER = replace(LIVE, number=2)
UNMARKED = Generation(PATH, PACKAGES, installer=ADOPTED, marked=False)
NOTHING = Contents(())


def having(*found: Generation, current: Generation | None = None, link: str = "ours", **more: Any) -> State:
    """Return the state of a node whose builds all are what they were built from."""
    contents = {generation.path: Contents(generation.packages) for generation in found}
    return State(link, current, found, **{"contents": contents, **more})


DRIFTED = having(LIVE, current=LIVE, contents={PATH: Contents((NEWER, PYTHON))})


@pytest.mark.parametrize(
    ("state", "request_", "expected"),
    [
        (having(link="absent"), REQUEST, Plan(NEW, NOTHING, build=True, switch=True)),
        (having(LIVE, current=LIVE), REQUEST, Plan(LIVE, Contents(PACKAGES), was=LIVE)),
        (
            having(OLD, current=OLD),
            REQUEST,
            Plan(replace(NEW, number=2), Contents((PYTHON,)), was=OLD, build=True, switch=True),
        ),
        (having(OLD, LATER, current=OLD), REQUEST, Plan(LATER, Contents((PYTHON,)), was=OLD, switch=True)),
        (
            having(LIVE, current=LIVE),
            OTHER_REQUEST,
            Plan(replace(LIVE, request=OTHER_REQUEST), Contents(PACKAGES), was=LIVE, record=True),
        ),
        (
            having(LIVE, current=LIVE),
            None,
            Plan(replace(LIVE, request=None), Contents(PACKAGES), was=LIVE, record=True),
        ),
        (having(LIVE, link="absent"), REQUEST, Plan(LIVE, NOTHING, switch=True)),
        (having(), REQUEST, Plan(NEW, NOTHING, build=True, switch=True)),
        (
            DRIFTED,
            REQUEST,
            Plan(
                replace(NEW, path=f"{PATH}-2", number=2),
                Contents((NEWER, PYTHON)),
                was=LIVE,
                build=True,
                switch=True,
            ),
        ),
        (
            having(LIVE, current=LIVE, contents={PATH: Contents(PACKAGES, ("edited lib/x",))}),
            REQUEST,
            Plan(
                replace(NEW, path=f"{PATH}-2", number=2),
                Contents(PACKAGES, ("edited lib/x",)),
                was=LIVE,
                build=True,
                switch=True,
            ),
        ),
        (
            having(LIVE, current=LIVE, leftovers=(f"{HOME}/half",)),
            REQUEST,
            Plan(LIVE, Contents(PACKAGES), was=LIVE, remove=(f"{HOME}/half",)),
        ),
        (
            having(UNMARKED, current=UNMARKED),
            REQUEST,
            Plan(
                replace(NEW, path=f"{PATH}-2", number=2),
                Contents(PACKAGES),
                was=UNMARKED,
                adopt=replace(UNMARKED, number=1),
                build=True,
                switch=True,
            ),
        ),
        (
            having(replace(LIVE, installer=ADOPTED), link="absent"),
            REQUEST,
            Plan(replace(NEW, path=f"{PATH}-2", number=2), NOTHING, build=True, switch=True),
        ),
    ],
    ids=[
        "bare",
        "nothing to do",
        "changed list",
        "changed back",
        "other words for the same",
        "a lock for the same",
        "link lost",
        "dangling link",
        "drifted",
        "edited",
        "leftover",
        "lost marker",
        "adopted, never used for ours",
    ],
)
def test_plan(state: State, request_: Mapping[str, Any] | None, expected: Plan) -> None:
    plan = environment_plan.plan(state, ROOT, NAME, Desired(PACKAGES, {}, request_), Policy())
    assert plan == expected
    assert plan.changed == (plan != Plan(LIVE, Contents(PACKAGES), was=LIVE))


def test_a_build_has_the_origin_of_when_it_was_built() -> None:
    new, old = {"commit": "new"}, {"commit": "old"}
    desired = Desired(PACKAGES, {}, REQUEST, new)
    built = environment_plan.plan(having(), ROOT, NAME, desired, POLICY)
    assert built.target is not None
    assert built.target.origin == new
    there = replace(built.target, origin=old)
    again = environment_plan.plan(having(there, current=there), ROOT, NAME, desired, POLICY)
    assert again.target is not None
    assert (again.build, again.target.origin) == (False, old)


@pytest.mark.parametrize("packages", [(PYTHON, NUMPY), (replace(NUMPY, url="file:///elsewhere"), PYTHON)])
def test_neither_order_nor_mirror_is_a_change(packages: tuple[Package, ...]) -> None:
    desired = Desired(packages, {}, REQUEST)
    assert not environment_plan.plan(having(LIVE, current=LIVE), ROOT, NAME, desired, Policy()).changed


@pytest.mark.parametrize(
    "desired",
    [Desired((*PACKAGES, EINOPS), {}, REQUEST), Desired(PACKAGES, {"A": "1"}, REQUEST)],
    ids=["pip", "variables"],
)
def test_a_package_of_pip_and_a_variable_are_changes(desired: Desired) -> None:
    plan = environment_plan.plan(having(LIVE, current=LIVE), ROOT, NAME, desired, Policy())
    assert plan.build
    assert plan.target is not None
    assert plan.target.path == f"{HOME}/{desired.digest[:16]}" != PATH


@pytest.mark.parametrize(
    ("pinned", "pin", "step"),
    [
        (False, None, None),
        (True, None, None),
        (False, True, True),
        (True, True, None),
        (True, False, False),
        (False, False, None),
    ],
)
def test_a_pin_is_set_where_it_is_not(pinned: bool, pin: bool | None, step: bool | None) -> None:
    live = replace(LIVE, pinned=pinned)
    plan = environment_plan.plan(having(live, current=live), ROOT, NAME, DESIRED, Policy(pin=pin))
    assert plan.pin is step
    assert plan.changed == (step is not None)


def numbered(number: int, **more: Any) -> Generation:
    return replace(OLD, path=f"{HOME}/{number:016x}", number=number, **more)


@pytest.mark.parametrize(
    ("keep", "changes_", "busy_", "pruned"),
    [
        (0, {}, (), []),
        (1, {}, (), [5, 4, 3, 2, 1]),
        (2, {}, (), [4, 3, 2, 1]),
        (3, {}, (), [3, 2, 1]),
        (6, {}, (), []),
        (9, {}, (), []),
        (2, {3: {"pinned": True}}, (), [4, 2, 1]),
        (2, {2: {"installer": ADOPTED}}, (), [4, 3, 1]),
        (2, {}, (1, 4), [3, 2]),
        (1, {}, (5,), [4, 3, 2, 1]),
        (3, {3: {"created": "2030-01-01T00:00:00+00:00"}, 5: {"created": "1999-01-01T00:00:00+00:00"}}, (), [3, 2, 1]),
    ],
    ids=["all", "one", "two", "three", "as many", "more", "pinned", "adopted", "busy", "in use", "clock set back"],
)
def test_what_is_more_than_is_to_be_kept_goes(
    keep: int, changes_: Mapping[int, Mapping[str, Any]], busy_: tuple[int, ...], pruned: list[int]
) -> None:
    found = [numbered(number, **changes_.get(number, {})) for number in range(1, 6)]
    paths = frozenset(f"{HOME}/{number:016x}" for number in busy_)
    state = having(*found, current=found[-1], busy=paths)
    plan = environment_plan.plan(state, ROOT, NAME, DESIRED, Policy(keep))
    assert plan.prune == tuple(f"{HOME}/{number:016x}" for number in pruned)
    assert plan.target is not None
    assert plan.target.number == 6


def test_the_generation_that_is_gone_back_to_is_never_pruned() -> None:
    found = [LIVE, *(numbered(number) for number in range(2, 6))]
    plan = environment_plan.plan(having(*found, current=found[-1]), ROOT, NAME, DESIRED, Policy(2))
    assert not plan.build
    assert plan.prune == tuple(f"{HOME}/{number:016x}" for number in (4, 3, 2))


@pytest.mark.parametrize(("keep", "pruned"), [(1, [1]), (2, []), (3, [])])
def test_a_build_that_waits_for_its_switch_takes_no_other_ones_place_and_stays(keep: int, pruned: list[int]) -> None:
    """The third was built ahead; a run with what the node has, which is the second, keeps one to go back to."""
    live = replace(LIVE, number=2)
    found = [numbered(1), live, numbered(3)]
    plan = environment_plan.plan(having(*found, current=live), ROOT, NAME, DESIRED, Policy(keep))
    assert plan.target == live
    assert plan.prune == tuple(f"{HOME}/{number:016x}" for number in pruned)


# without the switch


@pytest.mark.parametrize(
    ("state", "policy", "expected"),
    [
        (having(OLD, current=OLD), POLICY, Plan(replace(NEW, number=2), Contents((PYTHON,)), was=OLD, build=True)),
        (having(OLD, LATER, current=OLD), POLICY, Plan(LATER, Contents((PYTHON,)), was=OLD)),
        (having(LIVE, current=LIVE), Policy(pin=True), Plan(LIVE, Contents(PACKAGES), was=LIVE)),
        (
            having(OLD, numbered(2), numbered(3), current=OLD, leftovers=(f"{HOME}/half",)),
            Policy(keep=1),
            Plan(replace(NEW, number=4), Contents((PYTHON,)), was=OLD, remove=(f"{HOME}/half",), build=True),
        ),
        (having(LATER, current=None, leftovers=(f"{HOME}/half",)), POLICY, Plan(LATER, NOTHING)),
    ],
    ids=["to build", "built", "in use", "nothing is pruned", "first one, built"],
)
def test_without_the_switch_there_is_a_build_or_nothing(state: State, policy: Policy, expected: Plan) -> None:
    plan = environment_plan.plan(state, ROOT, NAME, DESIRED, policy).without_switch
    assert plan == expected
    assert plan.changed == expected.build


def test_without_the_switch_nothing_goes() -> None:
    plan = environment_plan.plan_absent(having(LIVE, OLD, current=LIVE), ROOT, NAME)
    assert plan.changed
    assert not plan.without_switch.changed
    assert plan.without_switch.lines == []


# adopt, refuse

BY_HAND = (replace(EINOPS, sha256=""), PYTHON)


def test_plan_adopts_on_explicit_wish() -> None:
    state = having(OLD, link="a directory", foreign=BY_HAND)
    plan = environment_plan.plan(state, ROOT, NAME, DESIRED, Policy(adopt=True))
    adopted = Generation(f"{HOME}/{digest(BY_HAND)[:16]}", BY_HAND, number=0, installer=ADOPTED)
    assert plan == Plan(replace(NEW, number=2), Contents(BY_HAND), adopt=adopted, build=True, switch=True)


def test_an_adopted_environment_never_takes_the_place_of_a_build() -> None:
    state = having(LIVE, link="a directory", foreign=PACKAGES, contents={PATH: Contents((NEWER,))})
    plan = environment_plan.plan(state, ROOT, NAME, DESIRED, Policy(adopt=True))
    assert plan.adopt is not None
    assert plan.target is not None
    assert (plan.adopt.path, plan.target.path) == (f"{PATH}-2", f"{PATH}-3")


@pytest.mark.parametrize(
    ("link", "foreign", "adopt", "advice"),
    [
        ("a directory", None, False, "or choose another name."),
        ("a directory", None, True, "or choose another name."),
        ("a directory", BY_HAND, False, "or take it over with adopt: true."),
        ("a file", None, True, "or choose another name."),
        ("a symbolic link to /home/anna/envs/ai-dev", None, False, "or choose another name."),
        ("a symbolic link to /home/anna/envs/ai-dev", BY_HAND, True, "or choose another name."),
    ],
)
def test_plan_refuses_what_is_not_ours(
    link: str, foreign: tuple[Package, ...] | None, adopt: bool, advice: str
) -> None:
    state = having(LIVE, link=link, foreign=foreign)
    policy = Policy(adopt=True) if adopt else Policy()
    plans: list[Callable[[], Plan]] = [lambda: environment_plan.plan(state, ROOT, NAME, DESIRED, policy)]
    plans += [lambda: environment_plan.plan_switch(state, ROOT, NAME, "-1")]
    plans += [lambda: environment_plan.plan_absent(state, ROOT, NAME)]
    for plan in plans:
        with pytest.raises(EvenkeelError, match=f"^{LINK} is {link} that Evenkeel did not make; .* {advice}$"):
            plan()


# plan_switch

SECOND, THIRD = replace(LIVE, number=2), replace(LIVE, path=f"{PATH}-2", number=3)
FIRST, DIGEST = replace(OLD, number=1, path=f"{HOME}/{OLD.digest[:16]}"), LIVE.digest


@pytest.mark.parametrize(
    ("current", "reference", "target"),
    [
        (THIRD, "-1", FIRST),
        (SECOND, "-1", FIRST),
        (THIRD, "-0", THIRD),
        (SECOND, "-0", SECOND),
        (None, "-1", THIRD),
        (None, "-2", FIRST),
        (THIRD, DIGEST[:16], SECOND),
        (SECOND, f"{DIGEST[:16]}-2", THIRD),
        (THIRD, OLD.digest, FIRST),
        (THIRD, OLD.digest[:4], FIRST),
        (FIRST, FIRST.id, FIRST),
        (FIRST, DIGEST[:12], THIRD),
        (SECOND, DIGEST[:12], SECOND),
        (THIRD, DIGEST, THIRD),
        (None, DIGEST, THIRD),
    ],
)
def test_plan_switch(current: Generation | None, reference: str, target: Generation) -> None:
    state = having(THIRD, FIRST, SECOND, current=current, link="ours" if current else "absent")
    plan = environment_plan.plan_switch(state, ROOT, NAME, reference)
    assert plan.target == target
    assert plan.switch == plan.changed == (current != target)
    assert not plan.build
    assert not plan.prune


@pytest.mark.parametrize(
    ("current", "reference", "message"),
    [
        (THIRD, "-2", "has no generation 2 steps back from the one in use"),
        (FIRST, "-1", "has no generation 1 steps back from the one in use"),
        (THIRD, "f" * 16, f"has no generation '{'f' * 16}'"),
        (THIRD, "", "has no generation ''"),
        (THIRD, "latest", "has no generation 'latest'"),
        (THIRD, "-99999", "has no generation '-99999'"),
    ],
)
def test_a_reference_that_means_no_generation_tells_those_that_are_there(
    current: Generation, reference: str, message: str
) -> None:
    state = having(THIRD, FIRST, SECOND, current=current)
    have = f"It has, from the oldest on: {FIRST.id}, {SECOND.id}, {THIRD.id}"
    with pytest.raises(EvenkeelError, match=rf"^The environment {NAME} {message}\. {have}\.$"):
        environment_plan.plan_switch(state, ROOT, NAME, reference)


def test_steps_back_lead_to_the_same_digest_where_a_build_was_repaired() -> None:
    older = replace(OLD, number=1)
    repaired = replace(OLD, path=f"{OLD.path}-2", number=3)
    for builds, current in (((older, LATER), LATER), ((older, LATER, repaired), LATER)):
        plan = environment_plan.plan_switch(having(*builds, current=current), ROOT, NAME, "-1")
        assert plan.target is not None
        assert plan.target.digest == OLD.digest
    with pytest.raises(EvenkeelError, match="has no generation 1 steps back"):
        environment_plan.plan_switch(having(older, LATER, repaired, current=repaired), ROOT, NAME, "-1")


def test_a_beginning_that_two_digests_share_means_neither() -> None:
    like = (replace(FIRST, variables={"N": str(number)}) for number in range(1000))
    other = next(generation for generation in like if generation.digest[0] == DIGEST[0])
    with pytest.raises(EvenkeelError, match=f"has more than one generation '{DIGEST[0]}'"):
        environment_plan.plan_switch(having(other, THIRD, current=THIRD), ROOT, NAME, DIGEST[0])


def test_a_node_without_generations_says_so() -> None:
    with pytest.raises(EvenkeelError, match=f"^There is no generation of an environment {NAME}"):
        environment_plan.plan_switch(having(link="absent"), ROOT, NAME, "-1")


def test_a_build_that_lost_its_marker_is_declared_before_the_name_leaves_it() -> None:
    state = having(UNMARKED, OLD, current=UNMARKED)
    plan = environment_plan.plan_switch(state, ROOT, NAME, OLD.id)
    assert plan.adopt == replace(UNMARKED, number=2)
    assert environment_plan.plan_absent(state, ROOT, NAME).adopt == replace(UNMARKED, number=2)


# what all plans bring back


def test_what_is_not_as_evenkeel_left_it_is_corrected_whatever_else_is_planned() -> None:
    outdated = {LIVE.path: {"activate.sh": activation.File("x")}, OLD.path: {"old.sh": None}}
    permissions = Permissions({LIVE.path: (), OLD.path: ()}, (ROOT,), (f"{ROOT}/pkgs/uv",))
    state = having(OLD, LATER, current=LATER, activation=outdated, permissions=permissions, user_site=True)
    kept = environment_plan.plan(state, ROOT, NAME, DESIRED, POLICY)
    assert (kept.activate, kept.permissions, kept.user_site) == (outdated[LATER.path], permissions, True)
    built = environment_plan.plan(state, ROOT, NAME, Desired((NEWER,)), POLICY)
    assert (built.activate, built.permissions, built.user_site) == ({}, permissions, True)
    switched = environment_plan.plan_switch(state, ROOT, NAME, "-1")
    assert (switched.was, switched.activate, switched.permissions) == (LATER, outdated[OLD.path], permissions)
    gone = environment_plan.plan_absent(state, ROOT, NAME)
    assert gone.permissions == Permissions({}, (ROOT,), (f"{ROOT}/pkgs/uv",))


# plan_absent


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (having(link="absent"), Plan(None, NOTHING)),
        (having(), Plan(None, NOTHING, unlink=True)),
        (having(LIVE, current=LIVE), Plan(None, Contents(PACKAGES), was=LIVE, unlink=True, prune=(PATH,))),
        (having(LIVE, link="absent"), Plan(None, NOTHING, prune=(PATH,))),
        (
            having(LIVE, current=LIVE, busy=frozenset({PATH})),
            Plan(None, Contents(PACKAGES), was=LIVE, unlink=True),
        ),
        (having(replace(LIVE, pinned=True), link="absent"), Plan(None, NOTHING)),
        (having(replace(LIVE, installer=ADOPTED), link="absent"), Plan(None, NOTHING)),
        (having(link="absent", leftovers=(PATH,)), Plan(None, NOTHING, remove=(PATH,))),
    ],
    ids=["absent", "dangling link", "there", "link lost", "busy", "pinned", "adopted", "leftover"],
)
def test_plan_absent(state: State, expected: Plan) -> None:
    plan = environment_plan.plan_absent(state, ROOT, NAME)
    assert plan == expected
    assert plan.changed == bool(expected.unlink or expected.prune or expected.remove)


# lines


@pytest.mark.parametrize(
    ("plan", "lines"),
    [
        (Plan(LIVE, Contents(PACKAGES), was=LIVE), []),
        (Plan(NEW, NOTHING, build=True, switch=True), ["+ numpy 2.3.1 (main)", "+ python 3.11.2 (main)"]),
        (
            Plan(NEW, Contents((PYTHON, package("six"))), was=OLD, build=True, switch=True),
            ["+ numpy 2.3.1 (main)", "- six 1.0", f"~ generation {OLD.id} -> {NEW.id}"],
        ),
        (
            Plan(NEW, Contents((PYTHON,)), was=OLD, build=True),
            ["+ numpy 2.3.1 (main)", f"+ generation {NEW.id}, not switched to"],
        ),
        (Plan(LATER, Contents((PYTHON,)), was=OLD), []),
        (
            Plan(
                replace(LIVE, variables={"A": "1", "B": "2"}),
                Contents(PACKAGES, ("edited lib/x",)),
                was=replace(LIVE, variables={"B": "1", "C": "3"}),
                build=True,
                switch=True,
            ),
            ["+ variable A", "~ variable B", "- variable C", "! edited lib/x", f"~ generation {LIVE.id} -> {LIVE.id}"],
        ),
        (Plan(LIVE, Contents(PACKAGES), was=LIVE, record=True), ["~ request"]),
        (Plan(LIVE, Contents(PACKAGES), was=LIVE, pin=True), [f"~ pinned generation {LIVE.id}"]),
        (Plan(LIVE, Contents(PACKAGES), was=LIVE, pin=False), [f"~ unpinned generation {LIVE.id}"]),
        (Plan(LIVE, Contents(PACKAGES), adopt=OLD), [f"! adopted as generation {OLD.id}"]),
        (
            Plan(LIVE, Contents(PACKAGES), was=LIVE, remove=(f"{HOME}/half",), prune=(OLD.path,)),
            ["- interrupted build half", f"- generation {OLD.id}"],
        ),
        (
            Plan(None, Contents((PYTHON,)), was=OLD, unlink=True, prune=(OLD.path,)),
            ["- python 3.11.2", f"- generation {OLD.id}"],
        ),
    ],
)
def test_the_plan_in_peoples_words(plan: Plan, lines: list[str]) -> None:
    assert plan.lines == lines
    assert plan.diff == {"prepared": "".join(f"{line}\n" for line in lines)}


# known


@pytest.mark.parametrize(
    ("state", "request_", "packages"),
    [
        (having(LIVE, current=LIVE), REQUEST, PACKAGES),
        (DRIFTED, REQUEST, PACKAGES),
        (having(LIVE, current=LIVE), OTHER_REQUEST, None),
        (having(OLD, LIVE, current=OLD), REQUEST, None),
        (having(OLD, LATER, current=OLD), REQUEST, PACKAGES),
        (having(LATER, numbered(3), current=numbered(3)), REQUEST, None),
        (having(LATER), REQUEST, PACKAGES),
        (having(link="absent"), REQUEST, None),
    ],
    ids=["same list", "drifted", "other list", "not the current one", "built ahead", "an earlier one", "first", "bare"],
)
def test_known(state: State, request_: Mapping[str, Any], packages: tuple[Package, ...] | None) -> None:
    assert environment_plan.known(state, request_) == packages
