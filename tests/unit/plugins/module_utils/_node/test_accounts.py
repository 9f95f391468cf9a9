# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("as_root")
def test_one_account_of_each_home_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_bytes(
        "ann:x:1000:1000:caf\xe9:/home/ann:/bin/sh\nsys:x:3:3::/:/bin/sh\nnobody:x:4:4::/nonexistent:/bin/sh\n"
        "one:x:4:4::/srv:/bin/sh\ntwo:x:5:5::/srv:/bin/sh\nnone:x:6:6:::/bin/sh\n+::::::\nbroken\n".encode("latin-1")
    )
    monkeypatch.setattr(accounts, "ACCOUNTS", str(passwd))
    assert accounts.local_users() == ["ann", "one"]


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    ("home", "looked_at"),
    [
        ("/root", True),
        ("/home/bin", True),
        ("/runner", True),
        ("/usr/people/ann", True),
        ("/var/www", True),
        ("/var/lib/jenkins", True),
        ("/bin", False),
        ("/usr/sbin", False),
        ("/dev/null", False),
        ("/run/sshd", False),
        ("/var/spool/lpd", False),
        ("/usr/share/empty.sshd", False),
    ],
)
def test_a_directory_of_the_system_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, looked_at: bool
) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"one:x:7:7::{home}:/usr/sbin/nologin\n")
    monkeypatch.setattr(accounts, "ACCOUNTS", str(passwd))
    assert accounts.local_users() == (["one"] if looked_at else [])


def test_without_root_there_is_but_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    assert accounts.local_users() == ["nobody"]
    assert accounts.owner("/nonexistent") is None


@pytest.mark.parametrize("name", ["nobody-of-that-name", "nul\0"])
def test_an_unknown_user_is_named(name: str) -> None:
    with pytest.raises(EvenkeelError, match=f"The node has no user {name.strip(chr(0))}"):
        accounts.account(name)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/of-root/file", None),
        ("/of-root/none/below", None),
        ("/of-nobody/none/below", "nobody"),
        ("/of-nobody/of-root/file", "nobody"),
        ("/of-nobody/link-to-root", "nobody"),
        ("/link-to-nobody/file", "nobody"),
        ("/loop", None),
        ("/of-4711", "user 4711"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_path_is_used_with_the_rights_of_its_owner(tmp_path: Path, path: str, expected: str | None) -> None:
    nobody = pwd.getpwnam("nobody")
    for folder in ("of-root", "of-nobody", "of-nobody/of-root", "of-4711"):
        (tmp_path / folder).mkdir()
    (tmp_path / "of-nobody/link-to-root").symlink_to("../of-root")
    (tmp_path / "link-to-nobody").symlink_to("of-nobody")
    (tmp_path / "loop").symlink_to("loop")
    os.chown(tmp_path / "of-nobody", nobody.pw_uid, nobody.pw_gid)
    os.chown(tmp_path / "of-4711", 4711, 4711)
    entry = accounts.owner(f"{tmp_path}{path}")
    assert (entry and entry.pw_name) == expected
