# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords become hashes that Jupyter Server reads, and those in plain text are found."""

from __future__ import annotations

from pathlib import Path

import argon2
import pytest
from ansible._internal._datatag._tags import Origin
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import secrets as jupyter_secrets
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import jupyter_passwords as passwords


def test_the_hash_opens_for_the_password_alone() -> None:
    hashed = passwords.hashed("correct horse", "node1", "ana")
    jupyter_secrets.check_hash(hashed, "ana")
    verify = argon2.PasswordHasher().verify
    assert verify(hashed.removeprefix("argon2:"), "correct horse")
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        verify(hashed.removeprefix("argon2:"), "wrong horse")


def test_it_is_the_same_in_every_run_and_another_one_elsewhere() -> None:
    hashes = {
        passwords.hashed("correct horse", node, user) for _ in range(2) for node in ("a", "b") for user in ("x", "y")
    }
    assert len(hashes) == 4


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(EvenkeelError, match="The password of ana is empty"):
        passwords.hashed("", "node1", "ana")


def test_a_control_node_without_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MISSING", ImportError("No module named 'argon2'"))
    with pytest.raises(EvenkeelError, match="Install argon2-cffi"):
        passwords.hashed("correct horse", "node1", "ana")


@pytest.mark.parametrize(
    ("text", "found"),
    [("password: correct horse\n", True), ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", False), (None, False)],
    ids=["plain", "vaulted file", "gone"],
)
def test_passwords_in_plain_text(tmp_path: Path, text: str | None, found: bool) -> None:
    path = tmp_path / "vars.yml"
    if text is not None:
        path.write_text(text)
    value = Origin(path=str(path)).tag("correct horse")
    assert passwords.in_plain_text(value) == (str(path) if found else None)


def test_passwords_from_elsewhere() -> None:
    assert passwords.in_plain_text("correct horse") is None
    assert passwords.in_plain_text(Origin(description="a lookup").tag("correct horse")) is None
