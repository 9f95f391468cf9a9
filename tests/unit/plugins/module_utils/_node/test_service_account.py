# SPDX-License-Identifier: GPL-3.0-or-later
"""The module service_account on a node whose accounts, groups and shadow utilities are fakes; homes are real ones."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, service_account
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.service_account import Account, State, Wish

UID = os.geteuid() or 990
WISH = Wish("jupyter", "/srv/jupyter", "/bin/bash", None, system=True, umask="0077")
NEW = ("--create-home", "--home-dir", "/srv/jupyter", "--shell", "/bin/bash", "--key", "UMASK=0077")


def account(**differing: Any) -> Account:
    return replace(Account("jupyter", 990, 991, "/srv/jupyter", "/bin/bash"), **differing)


def standing(
    *, login: str = "/bin/bash", local: bool = True, has_home: bool = True, process: str = "", **differing: Any
) -> State:
    return State(replace(account(**differing), shell=login), local=local, has_home=has_home, process=process)


@pytest.mark.parametrize(
    ("wish", "state", "command", "make_home"),
    [
        pytest.param({}, State(), ("useradd", *NEW, "--system", "jupyter"), False, id="none yet"),
        pytest.param({"system": False}, State(), ("useradd", *NEW, "jupyter"), False, id="of the range of people"),
        pytest.param(
            {"gid": 7}, State(), ("useradd", *NEW, "--system", "--gid", "7", "jupyter"), False, id="with a group"
        ),
        pytest.param(
            {},
            State(namesake=True),
            ("useradd", *NEW, "--system", "--no-user-group", "jupyter"),
            False,
            id="a group has its name",
        ),
        pytest.param({}, standing(), (), False, id="as declared"),
        pytest.param({"gid": 991}, standing(), (), False, id="as declared, with its group"),
        pytest.param({}, standing(local=False), (), False, id="a directory service has it as declared"),
        pytest.param({}, standing(has_home=False), (), True, id="without its home"),
        pytest.param({}, standing(login="/bin/sh"), ("usermod", "--shell", "/bin/bash", "jupyter"), False, id="shell"),
        pytest.param({}, standing(home="/x"), ("usermod", "--home", "/srv/jupyter", "jupyter"), False, id="home"),
        pytest.param({"gid": 7}, standing(), ("usermod", "--gid", "7", "jupyter"), False, id="group"),
        pytest.param(
            {},
            standing(login="/x", process="a process"),
            ("usermod", "--shell", "/bin/bash", "jupyter"),
            False,
            id="a process does not keep the shell",
        ),
        pytest.param(
            {"gid": 7},
            standing(home="/x", login="/x", has_home=False),
            ("usermod", "--gid", "7", "--home", "/srv/jupyter", "--shell", "/bin/bash", "jupyter"),
            True,
            id="all at once",
        ),
    ],
)
def test_plan(wish: dict[str, Any], state: State, command: tuple[str, ...], make_home: bool) -> None:
    todo = service_account.plan(Wish(**{**vars(WISH), **wish}), state)
    assert (todo.command, todo.make_home, todo.create) == (command, make_home, command[:1] == ("useradd",))
    assert todo.changed is bool(command or make_home)
    assert (todo.before != todo.after) is todo.changed


@pytest.mark.parametrize(
    ("wish", "state", "message"),
    [
        pytest.param({"name": "-x"}, State(), "'-x' can't be the name of an account", id="an option"),
        pytest.param({"name": "a b"}, State(), "'a b' can't be the name", id="a space"),
        pytest.param({"name": "../x"}, State(), "'../x' can't be the name", id="a path"),
        pytest.param({"name": "17"}, State(), "'17' can't be the name", id="a number"),
        pytest.param({"name": "a" * 33}, State(), "can't be the name", id="too long"),
        pytest.param({}, standing(uid=0), "The account jupyter is root", id="root"),
        pytest.param(
            {},
            standing(local=False, login="/bin/sh"),
            "a directory service has it, not /etc/passwd: home /srv/jupyter, shell /bin/sh, group .* shell /bin/bash",
            id="a directory service has it otherwise",
        ),
        pytest.param(
            {},
            standing(home="/x", process="its process 7 (python)"),
            r"can't be changed from /x to /srv/jupyter while its process 7 \(python\) runs",
            id="a process has the home",
        ),
    ],
)
def test_what_can_not_be(wish: dict[str, Any], state: State, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        service_account.plan(Wish(**{**vars(WISH), **wish}), state)


@dataclass
class Node:
    """A node that knows one account at most."""

    folder: Path
    account: Account | None = None
    done: list[Sequence[str]] = field(default_factory=list)
    recorded: list[Thing] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "below" / "jupyter"

    def converge(self, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in service_account.ARGUMENT_SPEC.items()}
        given = {"name": "jupyter", "home": str(self.home)}
        return service_account.converge({**defaults, **given, **params}, check_mode)

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in service_account.ARGUMENT_SPEC.items()}
        self.done.clear()
        return service_account.converge({**defaults, "name": "jupyter", "state": "absent"}, check_mode)

    def require(self, argv: Sequence[str], _: str) -> str:
        self.done.append(argv)
        if argv[0] == "userdel":
            self.account = None
            return ""
        self.recorded = made.read("service_account")
        options = dict(itertools.pairwise(argv))
        if argv[0] == "useradd":
            self.home.mkdir()  # only the last folder, as an old useradd does
        home = options.get("--home-dir", options.get("--home", self.account.home if self.account else ""))
        self.account = account(uid=UID, gid=os.getegid(), home=home)
        return ""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    found = Node(tmp_path)
    skeleton = tmp_path / "skel"
    (skeleton / "folder").mkdir(parents=True)
    (skeleton / ".profile").write_text("umask 077\n")
    monkeypatch.setattr(service_account, "_SKELETON", str(skeleton))
    monkeypatch.setattr(service_account, "_account", lambda _: found.account)
    monkeypatch.setattr(service_account.accounts, "is_local", lambda _: True)
    monkeypatch.setattr(service_account.command, "require", found.require)
    monkeypatch.setattr(service_account, "_process_of", lambda _: "")
    return found


def test_a_bare_node_and_the_run_after(node: Node) -> None:
    rehearsed = node.converge(check_mode=True)
    assert (node.done, node.account, made.read("service_account")) == ([], None, [])
    assert node.converge() == rehearsed
    assert (rehearsed["changed"], rehearsed["diff"][0]["before"]) == (True, "")
    assert [argv[0] for argv in node.done] == ["useradd"]
    assert node.recorded == [Thing("user", "jupyter")]
    assert node.home.stat().st_uid == os.geteuid()
    assert node.converge() == {"changed": False, "diff": []}


def test_an_account_that_was_there_is_in_no_record(node: Node) -> None:
    node.account = account(uid=UID, gid=os.getegid(), home="/elsewhere")
    node.converge()
    assert (node.done[0][0], made.read("service_account")) == ("usermod", [])


def test_a_home_that_is_gone_is_made_with_the_umask(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(service_account.os, "chown", lambda path, uid, gid, **_: owners.update({str(path): (uid, gid)}))
    node.account = account(home=str(node.home))
    assert node.converge(umask="0007")["changed"] is True
    assert (node.home.stat().st_mode & 0o777, (node.home / ".profile").exists(), node.done) == (0o770, True, [])
    assert owners == dict.fromkeys(map(str, (node.home, node.home / ".profile", node.home / "folder")), (990, 991))
    assert list(owners)[-1] == str(node.home)
    assert node.converge()["changed"] is False


def make(node: Node) -> None:
    node.converge()
    shutil.copytree(node.folder / "skel", node.home, dirs_exist_ok=True)
    os.chown(node.home, UID, -1)


def test_an_account_that_was_created_goes_with_a_home_in_which_nothing_is(node: Node) -> None:
    make(node)
    rehearsed = node.remove(check_mode=True)
    assert (rehearsed["changed"], node.done, node.home.exists()) == (True, [], True)
    assert node.remove() == rehearsed
    assert (node.done, node.home.exists(), made.read("service_account")) == ([["userdel", "jupyter"]], False, [])
    assert node.remove() == {"changed": False, "diff": [], "left": []}


def test_an_account_that_was_there_before_stays(node: Node) -> None:
    node.account = account(home=str(node.home))
    assert node.remove() == {"changed": False, "diff": [], "left": []}
    assert node.done == []


@pytest.mark.parametrize("file", [".profile", "folder/a.ipynb", "link"])
def test_an_account_in_whose_home_somebody_has_put_something_stays(node: Node, file: str) -> None:
    make(node)
    path = node.home / file
    path.symlink_to("/srv") if file == "link" else path.write_text("mine")  # type: ignore[func-returns-value]
    left = [f"the account jupyter: files are in its home {node.home}, such as {path}"]
    assert node.remove(check_mode=True)["left"] == left
    assert node.remove() == {"changed": False, "diff": [], "left": left}
    assert (node.done, path.is_symlink() or path.exists()) == ([], True)
    assert made.read("service_account") == [Thing("user", "jupyter")]


def test_an_account_as_which_something_runs_stays_and_a_rehearsal_takes_that_as_ended(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(node)
    monkeypatch.setattr(service_account, "_process_of", lambda _: "its process 7 (cron)")
    assert node.remove(check_mode=True)["changed"]
    assert node.remove()["left"] == ["the account jupyter: its process 7 (cron) runs"]


def test_an_account_that_somebody_has_removed_is_forgotten(node: Node) -> None:
    make(node)
    node.account = None
    rehearsed = node.remove(check_mode=True)
    assert (rehearsed["diff"][0]["before"], made.read("service_account")) == (
        "a record of it\n",
        [Thing("user", "jupyter")],
    )
    assert node.remove() == rehearsed
    assert (node.done, made.read("service_account")) == ([], [])
    assert node.remove() == {"changed": False, "diff": [], "left": []}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"home": "srv"}, "home of jupyter is 'srv'"),
        ({"home": "/srv:x"}, "home of jupyter is '/srv:x'"),
        ({"shell": "/bin/sh\n"}, "shell of jupyter"),
        ({"umask": "u=rwx"}, "umask of jupyter is 'u=rwx'.* Give 0077"),
        ({"group": "no-such-group"}, "no group no-such-group"),
        ({"group": "987654321"}, "no group 987654321"),
        ({"name": "nul\0"}, "can't be the name"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_nothing_is_done_where_anything_is_wrong(
    node: Node, params: dict[str, Any], message: str, check_mode: bool
) -> None:
    with pytest.raises(EvenkeelError, match=message):
        node.converge(check_mode=check_mode, **params)
    assert (node.done, made.read("service_account")) == ([], [])


def test_a_group_has_a_name_and_an_id() -> None:
    assert (service_account.group_id("root"), service_account.group_id("0")) == (0, 0)


def test_what_runs_as_an_account(tmp_path: Path) -> None:
    for pid, uids, name in ((1, "0\t0\t0\t0", "init"), (12, "5\t990\t990\t990", "python"), (9, "990\t0\t0\t0", "sudo")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(f"Name:\t{name}\nUid:\t{uids}\n")
    (tmp_path / "10").mkdir()  # it has ended
    assert service_account._process_of(990, str(tmp_path)) == "its process 9 (sudo)"
    assert service_account._process_of(991, str(tmp_path)) == ""


def test_this_machine_is_read() -> None:
    found = service_account.read(Wish("root", "/", "/bin/sh", None, system=True, umask="0077"))
    assert (found.local, found.has_home, found.namesake, bool(found.process)) == (True, True, True, True)
    assert service_account.read(Wish("nobody-of-that-name", "/none", "/", None, system=True, umask="0")) == State()
