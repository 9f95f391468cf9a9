# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _accounts as accounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError


def test_one_account_of_each_home_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for home in ("ann", "shared"):
        (tmp_path / home).mkdir()
    passwd = tmp_path / "passwd"
    passwd.write_bytes(
        f"ann:x:1000:1000:caf\xe9:{tmp_path}/ann:/bin/sh\nben:x:1001:1001::{tmp_path}/none:/bin/sh\nsys:x:3:3::/:/bin/sh\n"
        f"one:x:4:4::{tmp_path}/shared:/bin/sh\ntwo:x:5:5::{tmp_path}/shared:/bin/sh\n+::::::\nbroken\n".encode(
            "latin-1"
        )
    )
    monkeypatch.setattr(accounts, "ACCOUNTS", str(passwd))
    assert accounts.local_users() == ["ann", "one"]


@pytest.mark.parametrize("name", ["nobody-of-that-name", "nul\0"])
def test_an_unknown_user_is_named(name: str) -> None:
    with pytest.raises(EvenkeelError, match=f"The node has no user {name}"):
        accounts.account(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
def test_root_reads_no_more_than_the_user_could(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    with accounts.acting_as("nobody"):
        assert not os.access(secret, os.R_OK, effective_ids=True)
        assert os.geteuid() == pwd.getpwnam("nobody").pw_uid
    assert os.access(secret, os.R_OK, effective_ids=True)
    assert os.geteuid() == 0
