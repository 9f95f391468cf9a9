# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can have a notebook server."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_accounts as accounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter_accounts import Account

ANA = Account("ana", "/home/ana", "/bin/bash", 1001, 1001)


@pytest.mark.parametrize(
    ("name", "account", "home", "problem"),
    [
        ("ana", ANA, True, None),
        ("ana@lab.example", ANA, True, None),
        (r"LAB\ana", ANA, True, None),
        ("", None, False, "'' is not a user's name"),
        ("ana/../root", ANA, True, "'ana/../root' is not a user's name"),
        ("-rf", ANA, True, "'-rf' is not a user's name"),
        ("ana", None, False, "there is no user ana"),
        ("toor", Account("toor", "/root", "/bin/bash", 0, 0), True, "toor is root"),
        (
            "ana",
            Account("ana", "/", "/usr/sbin/nologin", 9, 9),
            True,
            "may not log in (its shell is /usr/sbin/nologin)",
        ),
        ("ana", ANA, False, "the home of ana, /home/ana, is not a directory"),
    ],
)
def test_problem(name: str, account: Account | None, home: bool, problem: str | None) -> None:
    said = accounts.problem(name, account, home)
    assert said is None if problem is None else problem in (said or "")


def test_all_who_can_not_are_named_at_once() -> None:
    with pytest.raises(EvenkeelError, match="no user nobody-here; root is root"):
        accounts.look_up(["nobody-here", "root"], {})


def test_who_is_made_by_the_same_run_need_not_be_there() -> None:
    assert accounts.look_up(["not-yet"], {"not-yet": "/home/not-yet"})["not-yet"].home == "/home/not-yet"
