# SPDX-License-Identifier: GPL-3.0-or-later
"""Where /usr/local/cuda leads: by alternatives where there are some, and never over what is no link."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_link
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.cuda_link import Plan, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

OLD, NEW = "/usr/local/cuda-12.8", "/usr/local/cuda-13.0"
DEBIAN_SAYS = f"""\
cuda - auto mode
  link best version is {NEW}
  link currently points to {NEW}
  link cuda is /usr/local/cuda
{OLD} - priority 128
{NEW} - priority 130
"""
RED_HAT_SAYS = f"""\
cuda - status is manual.
 link currently points to {OLD}
{OLD} - priority 128
{NEW} - priority 130
Current `best' version is {NEW}.
"""


@pytest.mark.parametrize(("said", "chosen"), [(DEBIAN_SAYS, False), (RED_HAT_SAYS, True)])
def test_both_families_programs_are_understood(said: str, chosen: bool) -> None:
    assert cuda_link.parse(said) == ((OLD, NEW), chosen)


@pytest.mark.parametrize(
    ("state", "target", "expected"),
    [
        # Nothing there yet, or a link of an installer.
        (State(), OLD, Plan("", OLD)),
        (State("link", NEW), OLD, Plan(NEW, OLD)),
        (State("link", OLD), OLD, None),
        # NVIDIA's packages have registered it.
        (State("alternative", NEW, choices=(OLD, NEW)), OLD, Plan(NEW, OLD, alternatives=True)),
        (State("alternative", NEW, choices=(OLD, NEW), chosen=True), OLD, Plan(NEW, OLD, alternatives=True)),
        (State("alternative", OLD, choices=(OLD, NEW), chosen=True), OLD, None),
        # Right today, but the next toolkit that is installed would take its place.
        (State("alternative", NEW, choices=(OLD, NEW)), NEW, Plan(NEW, NEW, alternatives=True)),
        # The alternatives don't know it, or somebody has put a link in place of theirs.
        (State("alternative", NEW, choices=(NEW,), chosen=True), OLD, Plan(NEW, OLD, alternatives=True, register=True)),
        (State("link", OLD, choices=(OLD,), chosen=True), OLD, Plan(OLD, OLD, alternatives=True)),
        # No toolkit is wanted: only a link that leads nowhere goes.
        (State("link", OLD), "", None),
        (State("link", OLD, dangling=True), "", Plan(OLD, "")),
        (State("alternative", OLD, dangling=True), "", None),
        (State("other"), "", None),
        (State(), "", None),
    ],
)
def test_what_is_to_be_done(state: State, target: str, expected: Plan | None) -> None:
    assert cuda_link.plan(state, target) == expected


def test_a_directory_of_somebodys_is_left_alone() -> None:
    with pytest.raises(EvenkeelError, match=r"/usr/local/cuda is not a symbolic link.*Move it away"):
        cuda_link.plan(State("other"), OLD)


@pytest.mark.parametrize(("target", "expected"), [(OLD, "128"), (NEW, "130"), ("/opt/cuda", "1")])
def test_the_priority_is_that_of_nvidias_packages(target: str, expected: str) -> None:
    assert cuda_link.priority(target) == expected


def test_the_difference_shows_both_targets() -> None:
    assert Plan("", OLD).diff()["before"] == ""
    assert Plan(NEW, OLD).diff() == {
        "before_header": cuda_link.LINK,
        "after_header": cuda_link.LINK,
        "before": f"-> {NEW}\n",
        "after": f"-> {OLD}\n",
    }


@pytest.mark.parametrize(
    ("state", "former", "gone", "leads"),
    [
        (State("link", NEW), "", {NEW}, ""),
        (State("link", NEW), OLD, {NEW}, OLD),
        (State("link", NEW), OLD, {OLD, NEW}, ""),
        # Ours, though the toolkit is of others.
        (State("link", NEW), "", set(), ""),
        (State("alternative", NEW, choices=(OLD, NEW), chosen=True), "", {NEW}, OLD),
        (State("alternative", NEW, choices=(NEW,), chosen=True), "", {NEW}, ""),
        (State("alternative", NEW, choices=(NEW,), chosen=True), OLD, {NEW}, OLD),
        (State("alternative", NEW, choices=(NEW,), chosen=True), OLD, {OLD, NEW}, ""),
        (State("alternative", NEW, choices=(OLD, NEW), chosen=True), OLD, set(), OLD),
        (State("alternative", NEW, choices=(OLD, NEW), chosen=True), "", {OLD}, NEW),
        (State("alternative", NEW, choices=(OLD, "/opt/cuda-12.9", NEW)), "", {NEW}, "/opt/cuda-12.9"),
        (State(), OLD, {NEW}, ""),
        (State("other"), "", {NEW}, ""),
    ],
)
def test_where_the_link_leads_when_toolkits_are_gone(state: State, former: str, gone: set[str], leads: str) -> None:
    assert cuda_link.after_removal(state, former, gone) == leads


@pytest.mark.parametrize(
    ("states", "target", "calls"),
    [
        ([State("alternative", NEW, choices=(NEW,)), State()], "", [["--remove", "cuda", NEW]]),
        ([State("alternative", OLD, choices=(OLD,))] * 2, OLD, []),
        ([State()] * 2, OLD, [["link", OLD]]),
        ([State("alternative", NEW, choices=(OLD, "/b"))] * 2, OLD, [["--set", "cuda", OLD]]),
        ([State("other")] * 2, "", []),
    ],
)
def test_the_alternatives_forget_what_is_gone(
    states: list[State], target: str, calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[list[str]] = []
    left = list(states)
    monkeypatch.setattr(cuda_link, "read", lambda: left.pop(0))
    monkeypatch.setattr(cuda_link.os.path, "isdir", lambda path: True)
    monkeypatch.setattr(cuda_link, "link_atomically", lambda link, target: said.append(["link", target]))
    monkeypatch.setattr(cuda_link.command, "require", lambda argv, remedy: said.append(argv[1:]))
    cuda_link.withdraw(target, {NEW})
    assert said == calls
