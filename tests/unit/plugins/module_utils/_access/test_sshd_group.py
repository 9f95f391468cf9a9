# SPDX-License-Identifier: GPL-3.0-or-later
"""Who joins the group of those who may forward."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_group
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.mark.parametrize(
    ("gid", "memberships", "create", "join"),
    [
        pytest.param(None, {}, True, (), id="no group, nobody"),
        pytest.param(None, {"ana": {100}, "bo": {101}}, True, ("ana", "bo"), id="no group"),
        pytest.param(7, {"ana": {100, 7}, "bo": {101}}, False, ("bo",), id="one is in it"),
        pytest.param(7, {"ana": {7}, "bo": {8, 7}}, False, (), id="all are in it"),
    ],
)
def test_plan(gid: int | None, memberships: dict[str, set[int] | None], create: bool, join: tuple[str, ...]) -> None:
    plan = sshd_group.plan("people", gid, memberships, may_be_missing=False)
    assert (plan.create, plan.join, plan.changed) == (create, join, create or bool(join))


def test_all_users_that_are_missing_are_named() -> None:
    found: dict[str, set[int] | None] = {"ana": None, "bo": {1}, "cy": None}
    with pytest.raises(EvenkeelError, match="no user ana, cy"):
        sshd_group.plan("people", 1, found, may_be_missing=False)
    assert sshd_group.plan("people", 1, found, may_be_missing=True).join == ("ana", "cy")


@pytest.mark.parametrize("name", ["", "a b", "-x", "a,b", "a*", "a\n", "../a", "a:b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(EvenkeelError, match="can't be the name"):
        sshd_group.check("people", [name])
    with pytest.raises(EvenkeelError, match="can't be the name"):
        sshd_group.check(name, [])


@pytest.mark.parametrize(
    "name", ["ana", "eve@corp.example", "CORP\\carl", "CORP+carl", "a%b", "mach$", "Upper.Case", "0day"]
)
def test_names_that_directory_services_give(name: str) -> None:
    sshd_group.check("people", [name])


def test_who_is_known() -> None:
    found = sshd_group.read(["root", "nobody-here"])
    assert 0 in (found["root"] or ())
    assert found["nobody-here"] is None
