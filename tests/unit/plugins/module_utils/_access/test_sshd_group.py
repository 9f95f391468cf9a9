# SPDX-License-Identifier: GPL-3.0-or-later
"""Who joins the group of those who may forward."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_group
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing


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
    plan = sshd_group.plan("people", gid, memberships, local=gid == 7, planned=())
    assert (plan.create, plan.join, plan.changed) == (create, join, create or bool(join))


def test_all_users_that_are_missing_are_named() -> None:
    found: dict[str, set[int] | None] = {"ana": None, "bo": {1}, "cy": None}
    with pytest.raises(EvenkeelError, match="no user ana, cy") as caught:
        sshd_group.plan("people", 1, found, local=True, planned=["bo"])
    assert "(jupyter_users, or remote_access_users of the role)" in str(caught.value)
    with pytest.raises(EvenkeelError, match="no user ana"):
        sshd_group.plan("people", 1, found, local=True, planned=["cy"])
    assert sshd_group.plan("people", 1, found, local=True, planned=["ana", "cy"]).join == ("ana", "cy")


def test_a_group_of_a_directory_service_takes_its_members_there() -> None:
    assert not sshd_group.plan("people", 7, {"ana": {7}}, local=False, planned=()).changed
    with pytest.raises(EvenkeelError, match="bo can't join the group people on the node, since it is not in"):
        sshd_group.plan("people", 7, {"ana": {7}, "bo": {8}}, local=False, planned=())


def test_whose_group_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "group"
    file.write_bytes(b"people:x:7:\ncaf\xe9:x:8:\n")
    monkeypatch.setattr(sshd_group, "GROUPS", str(file))
    assert (sshd_group.is_local("people"), sshd_group.is_local("peop")) == (True, False)


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


def test_who_leaves_and_what_stays() -> None:
    recorded = [
        Thing("group", "people"),
        Thing("group", "kept"),
        Thing("group", "first"),
        Thing("group", "gone"),
        Thing("member", "ana people"),
        Thing("member", "bo people"),
        Thing("member", "ana kept"),
        Thing("member", "ana gone"),
        Thing("file", "/etc/other"),
    ]
    members = {"people": ["ana"], "kept": ["ana", "cy", "di"], "first": []}
    found = sshd_group.leaving(recorded, [Thing("member", "bo people")], members, ["first"])
    assert found.members == (("ana", "people"), ("ana", "kept"))
    assert found.groups == ("people",)
    assert found.stay == {"kept": "cy, di are in it", "first": "it is the primary group of an account"}
    assert set(recorded) - set(found.things) == {
        *(Thing("group", "kept"), Thing("group", "first")),
        *(Thing("member", "bo people"), Thing("file", "/etc/other")),
    }


def test_members_and_primary_groups_are_read_from_the_nodes_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshd_group, "GROUPS", str(tmp_path / "group"))
    monkeypatch.setattr(sshd_group, "USERS", str(tmp_path / "passwd"))
    (tmp_path / "group").write_text("people:x:500:ana,bo\nempty:x:501:\nother:x:502:cy\nbroken\n")
    (tmp_path / "passwd").write_text("ana:x:1:501::/:/bin/sh\nbroken\n")
    assert sshd_group.members_of({"people", "empty", "nowhere"}) == {"people": ["ana", "bo"], "empty": []}
    monkeypatch.setattr(sshd_group, "group_id", {"people": 500, "empty": 501}.get)
    assert sshd_group.primary_groups(["people", "empty", "nowhere"]) == ["empty"]
