# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ssh_forwarding on a node whose sshd, groups and systemd are fakes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import (
    ssh_forwarding,
    sshd_config,
    sshd_group,
    sshd_service,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

from tests.unit.plugins.module_utils._access.fake_sshd import Sshd

PARAMS: dict[str, Any] = {
    "state": "present",
    "group": "people",
    "users": ["ana", "bo", "ana"],
    "planned_users": ["eve"],
    "settings": ssh_forwarding.FORWARDING,
    "drop_in": True,
}
NOW = 1_000_000.0


@dataclass
class Node:
    """What the module sees of a node, and what it did there."""

    sshd: Sshd
    groups: dict[str, int] = field(default_factory=dict)
    users: dict[str, set[int]] = field(default_factory=lambda: {"ana": {100}, "bo": {100}})
    of_directory: bool = False
    service: Unit | None = field(default_factory=lambda: Unit("ssh.service", running=True, changed=NOW))
    done: list[tuple[str, ...]] = field(default_factory=list)

    def converge(self, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        return ssh_forwarding.converge({**PARAMS, **params}, check_mode)

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        return ssh_forwarding.converge({**PARAMS, "state": "absent"}, check_mode)

    def members_of(self, groups: set[str]) -> dict[str, list[str]]:
        return {
            group: [user for user, ids in self.users.items() if gid in ids]
            for group, gid in self.groups.items()
            if group in groups
        }

    def command(self, argv: list[str], *_: object) -> str:
        self.done.append(tuple(argv))
        if argv[0] == "groupadd":
            self.groups[argv[-1]] = 500
        if argv[0] == "groupdel":
            del self.groups[argv[1]]
        if argv[0] == "gpasswd":
            change = self.users[argv[2]].add if argv[1] == "--add" else self.users[argv[2]].discard
            change(self.groups[argv[3]])
        if argv[0] == "systemctl" and self.service:
            self.service = Unit(self.service.name, running=True, changed=NOW)
            if self.sshd.drop_in.exists():
                os.utime(self.sshd.drop_in, (NOW, NOW))
        return ""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    found = Node(Sshd(monkeypatch, tmp_path))
    monkeypatch.setattr(sshd_group, "group_id", found.groups.get)
    monkeypatch.setattr(sshd_group, "is_local", lambda _: not found.of_directory)
    monkeypatch.setattr(sshd_group, "_groups_of", found.users.get)
    monkeypatch.setattr(sshd_group, "members_of", found.members_of)
    monkeypatch.setattr(sshd_group, "primary_groups", lambda _: [])
    monkeypatch.setattr(sshd_service, "find", lambda: found.service)
    monkeypatch.setattr(sshd_service, "answers", lambda _: True)
    monkeypatch.setattr(sshd_config.command, "require", found.command)
    return found


RELOAD = ("systemctl", "reload", "ssh.service")
CREATE = ("groupadd", "--system", "people")


def join(user: str) -> tuple[str, ...]:
    return ("gpasswd", "--add", user, "people")


def test_a_bare_node_and_the_run_after(node: Node) -> None:
    result = node.converge()
    assert node.done == [CREATE, join("ana"), join("bo"), RELOAD]
    assert (result["changed"], result["reloaded"], result["joined"]) == (True, True, ["ana", "bo"])
    assert "Match Group people" in node.sshd.drop_in.read_text()
    assert len(result["diff"]) == 2
    node.done.clear()
    result = node.converge()
    assert (result["changed"], result["reloaded"], result["diff"], node.done) == (False, False, [], [])


def test_the_group_and_its_members_are_recorded_where_this_has_made_them(node: Node) -> None:
    node.groups["people"] = 500
    node.users["bo"].add(500)
    node.converge(check_mode=True)
    assert made.read("ssh_forwarding") == []
    node.converge()
    assert made.read("ssh_forwarding") == [made.Thing("member", "ana people")]
    node.converge(group="others")
    assert made.Thing("group", "others") in made.read("ssh_forwarding")


def test_check_mode_reports_the_same_and_does_nothing(node: Node) -> None:
    rehearsed = node.converge(check_mode=True)
    assert not node.done
    assert not node.sshd.drop_in.exists()
    assert rehearsed == node.converge()


def test_who_is_made_by_the_same_run_may_be_missing_in_check_mode_alone(node: Node) -> None:
    assert node.converge(users=["ana", "eve"], check_mode=True)["joined"] == ["ana", "eve"]
    with pytest.raises(EvenkeelError, match="no user mallory"):
        node.converge(users=["eve", "mallory"], check_mode=True)


def test_sshd_is_asked_no_more_than_is_needed_where_nothing_changes(node: Node) -> None:
    node.converge()
    node.sshd.asked.clear()
    assert node.converge()["changed"] is False
    # Once for how it should be, and once for each user.
    assert len(node.sshd.asked) == 3


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        # One that runs with an older file than the one on disk was killed before its reload.
        ({"service": Unit("ssh.service", running=True, changed=NOW - 1)}, [RELOAD]),
        ({"service": Unit("ssh.service", running=True, changed=NOW)}, []),
        ({"service": None}, []),
        ({"users": {"ana": {500}, "bo": {100}}}, [join("bo")]),
    ],
)
def test_what_is_missing_is_done(node: Node, states: dict[str, Any], expected: list[tuple[str, ...]]) -> None:
    node.converge()
    node.done.clear()
    node.users.update(states.get("users", {}))
    node.service = states.get("service", node.service)
    result = node.converge()
    assert node.done == expected
    assert result["changed"] is bool(expected)


def test_without_a_service_the_file_alone_is_written(node: Node) -> None:
    node.service = None
    result = node.converge()
    assert RELOAD not in node.done
    assert not result["reloaded"]
    assert node.sshd.drop_in.exists()


@pytest.mark.parametrize("present", [True, False])
def test_without_a_drop_in_the_configuration_itself_has_to_allow_it(node: Node, present: bool) -> None:
    if present:
        node.converge()
    with pytest.raises(EvenkeelError, match=r"AllowTcpForwarding is  for ana, bo; .*DisableForwarding"):
        node.converge(drop_in=False)
    lines = "".join(f"{keyword} {value}\n" for keyword, value in ssh_forwarding.FORWARDING.items())
    node.sshd.main.write_text(node.sshd.main.read_text() + lines)
    assert node.converge(drop_in=False)["changed"] is True
    assert not node.sshd.drop_in.exists()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"users": ["ana", "eve"]}, "no user eve"),
        ({"group": "wheel"}, "The group is wheel"),
        ({"group": "of-directory"}, "ana, bo can't join the group of-directory"),
        ({"settings": {"Match": "all"}}, "not a keyword of a Match block"),
        ({"settings": {"Forward": "yes"}}, "would not start .*Forward"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_nothing_is_done_where_anything_is_wrong(
    node: Node, params: dict[str, Any], message: str, check_mode: bool
) -> None:
    node.groups["of-directory"], node.of_directory = 600, True
    with pytest.raises(EvenkeelError, match=message):
        node.converge(**{**params, "planned_users": []}, check_mode=check_mode)
    assert not node.done
    assert not node.sshd.drop_in.exists()


def test_an_earlier_file_of_sshd_s_prevails_and_nothing_is_done(node: Node) -> None:
    (node.sshd.drop_in.parent / "10-first.conf").write_text("Match User bo\n    AllowTcpForwarding no\n")
    with pytest.raises(EvenkeelError, match=r"AllowTcpForwarding is no for bo \(.*10-first.conf:2"):
        node.converge()
    assert not node.done


@pytest.mark.parametrize(
    ("value", "words"), [(True, "yes"), (False, "no"), (10, "10"), (["a", 2], "a 2"), ("keep as is", "keep as is")]
)
def test_values_of_yaml_are_words_of_sshd(value: object, words: str) -> None:
    assert ssh_forwarding.words(value) == words


def leave(user: str) -> tuple[str, ...]:
    return ("gpasswd", "--delete", user, "people")


def test_who_is_no_longer_listed_leaves_if_this_has_added_them(node: Node) -> None:
    node.groups["people"] = 500
    node.users["bo"].add(500)
    node.converge()
    node.done.clear()
    rehearsed = node.converge(users=[], check_mode=True)
    assert (rehearsed["changed"], node.done) == (True, [])
    assert node.converge(users=[]) == rehearsed
    assert (node.done, made.read("ssh_forwarding")) == ([leave("ana")], [])
    assert rehearsed["diff"][0]["before"] == "member ana\n"
    assert node.converge(users=[])["changed"] is False


def test_a_group_of_another_name_takes_the_place_of_the_one_that_was_made(node: Node) -> None:
    node.converge()
    node.converge(group="others")
    assert node.groups == {"others": 500}
    assert {thing.name for thing in made.read("ssh_forwarding")} == {"others", "ana others", "bo others"}


def test_all_of_it_goes_and_the_second_time_nothing_does(node: Node) -> None:
    node.converge()
    node.done.clear()
    rehearsed = node.remove(check_mode=True)
    assert (node.done, node.sshd.drop_in.exists()) == ([], True)
    assert node.remove() == rehearsed
    assert node.done == [RELOAD, leave("ana"), leave("bo"), ("groupdel", "people")]
    assert (node.sshd.drop_in.exists(), node.groups, made.read("ssh_forwarding")) == (False, {}, [])
    node.done.clear()
    again = node.remove()
    assert (again["changed"], again["diff"], again["left"], node.done) == (False, [], [], [])


def test_a_node_that_never_had_it_is_left_alone(node: Node) -> None:
    node.groups["people"] = 500
    node.users["ana"].add(500)
    assert node.remove()["changed"] is False
    assert (node.done, node.groups) == ([], {"people": 500})


def test_a_group_with_others_in_it_stays_and_is_named(node: Node) -> None:
    node.converge()
    node.users["cleo"] = {500}
    left = ["the group people: cleo is in it"]
    assert node.remove(check_mode=True)["left"] == left
    assert node.remove()["left"] == left
    assert made.read("ssh_forwarding") == [made.Thing("group", "people")]
    again = node.remove()
    assert (again["changed"], again["left"]) == (False, left)


def test_a_removal_that_was_killed_before_sshd_had_read_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.converge()
    with monkeypatch.context() as patched:
        patched.setattr(sshd_service, "_reload", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            node.remove()
    assert not node.sshd.drop_in.exists()
    os.utime(node.sshd.drop_in.parent, (NOW + 1, NOW + 1))
    node.done.clear()
    assert node.remove()["reloaded"]
    assert node.done[0] == RELOAD
