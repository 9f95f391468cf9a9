# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords become hashes that Jupyter Server reads, and those in plain text are found."""

from __future__ import annotations

from pathlib import Path

import argon2
import pytest
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


@pytest.mark.parametrize("place", ["group_vars/all/people.yml", "host_vars/node1", "vars/people.yml"])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("password: correct horse\n", True),
        ("password: incorrect horse\n", False),
        ("password: correct horses\n", False),
        ("$ANSIBLE_VAULT;1.1;AES256\ncorrect horse\n", False),
        ("password: correct horse\n" + "#" * (1 << 20), False),
    ],
    ids=["plain", "longer before", "longer behind", "vaulted file", "too large"],
)
def test_passwords_in_plain_text(tmp_path: Path, place: str, text: str, found: bool) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert passwords.in_plain_text("correct horse", ["/nowhere", str(tmp_path)]) == (path if found else None)


def test_passwords_elsewhere_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("password: correct horse\n")
    (tmp_path / "vars").mkdir()
    (tmp_path / "vars" / "gone.yml").symlink_to("nowhere")
    assert passwords.in_plain_text("correct horse", [str(tmp_path)]) is None


def test_a_vaulted_value_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vars").mkdir()
    (tmp_path / "vars" / "people.yml").write_text("correct horse\n")
    monkeypatch.setattr(passwords.VaultHelper, "get_ciphertext", lambda value, with_tags: "$ANSIBLE_VAULT;...")
    assert passwords.in_plain_text("correct horse", [str(tmp_path)]) is None
