# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can have a notebook server."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import accounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ANA = Account("ana", "/home/ana", "/bin/bash", 1001, 1001)


@pytest.mark.parametrize(
    ("name", "account", "problem"),
    [
        ("ana", ANA, None),
        ("", None, "'' is not a user's name"),
        ("ana/../root", ANA, "'ana/../root' is not a user's name"),
        ("-rf", ANA, "'-rf' is not a user's name"),
        ("1001", ANA, "'1001' is not a user's name"),
        ("..", ANA, "'..' is not a user's name"),
        (" ana", ANA, "' ana' is not a user's name"),
        ("ana ", ANA, "'ana ' is not a user's name"),
        ("ana\\\\", ANA, "is not a user's name"),
        ("ana\nUser=root", ANA, "is not a user's name"),
        ("ana:x", ANA, "'ana:x' is not a user's name"),
        ("\x1b[31m", ANA, "is not a user's name"),
        ("ana\udcff", ANA, "is not a user's name"),
        ("a" * 81, ANA, "too long for the path of a socket"),
        ("李" * 7, ANA, "too long for the path of a socket"),
        ("ana", None, "there is no user ana"),
        ("ANA", ANA, "the node calls ANA ana"),
        ("toor", Account("toor", "/root", "/bin/bash", 0, 0), "toor is root"),
        (
            "ana",
            Account("ana", "/", "/usr/sbin/nologin", 9, 9),
            "may not log in (its shell is /usr/sbin/nologin)",
        ),
    ],
)
def test_problem(name: str, account: Account | None, problem: str | None) -> None:
    said = accounts.problem(name, account)
    assert said is None if problem is None else problem in (said or "")


def test_all_who_can_not_are_named_at_once() -> None:
    with pytest.raises(EvenkeelError, match="no user nobody-here; root is root"):
        accounts.look_up(["nobody-here", "root"], {})


def test_who_is_made_by_the_same_run_need_not_be_there() -> None:
    assert accounts.look_up(["not-yet"], {"not-yet": "/home/not-yet"}).accounts["not-yet"].home == "/home/not-yet"


@pytest.mark.parametrize("name", ["root", "a:b", "1001"])
def test_what_no_run_can_correct_is_refused(name: str) -> None:
    with pytest.raises(EvenkeelError, match=name):
        accounts.look_up([name], {name: "/home/x"})


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, pwd.struct_passwd]:
    """A name service without a file, whose accounts all are the one that runs this."""
    found: dict[str, pwd.struct_passwd] = {}
    for name in ("ana", "bo"):
        (tmp_path / name).mkdir()
        ids = (os.getuid(), os.getgid())
        found[name] = pwd.struct_passwd((name, "x", *ids, "", str(tmp_path / name), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", found.__getitem__)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, group: [group])
    monkeypatch.setattr(accounts, "problem", lambda name, account: None if account else f"there is no user {name}")
    return found


def test_who_had_a_server_and_is_gone_from_the_directory_stops_nobody(
    directory: dict[str, pwd.struct_passwd],
) -> None:
    del directory["bo"]
    found = accounts.look_up(["ana", "bo"], {}, served=["ana", "bo"])
    assert set(found.accounts) == {"ana"}
    assert found.problems == {"bo": "there is no user bo"}
    with pytest.raises(EvenkeelError, match="no user bo"):
        accounts.look_up(["ana", "bo"], {}, served=["ana"])


def test_a_directory_that_knows_nobody_is_the_nodes_fault(directory: dict[str, pwd.struct_passwd]) -> None:
    directory.clear()
    with pytest.raises(EvenkeelError, match="make the directory service answer"):
        accounts.look_up(["ana", "bo"], {}, served=["ana", "bo"])


def test_a_home_that_is_not_there_is_its_users_problem(directory: dict[str, pwd.struct_passwd]) -> None:
    Path(directory["ana"].pw_dir).rmdir()
    found = accounts.look_up(["ana", "bo"], {})
    assert set(found.accounts) == {"ana", "bo"}
    assert found.problems == {"ana": f"the home {directory['ana'].pw_dir} is not a directory"}
    assert accounts.look_up(["ana", "bo"], {"ana": directory["ana"].pw_dir}).problems == {}
