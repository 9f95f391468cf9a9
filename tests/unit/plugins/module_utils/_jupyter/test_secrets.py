# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens are made once and kept; hashes are of the costly kind."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import secrets as jupyter_secrets
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

WHOLE = "R1cPbXg7yY3QeTn0aKwVdZs5uLh2mJf8oBi4xNq6GrE"


@pytest.mark.parametrize(
    ("current", "given", "token"),
    [(WHOLE, None, WHOLE), (WHOLE, "given", "given"), (None, "given", "given"), ("here\n", "given", "given")],
)
def test_token(current: str | None, given: str | None, token: str) -> None:
    assert jupyter_secrets.token(current, given, "ana") == token


@pytest.mark.parametrize("current", [None, "", f"{WHOLE}\n", f"{WHOLE} {WHOLE}", WHOLE[:31], "\udcff" * 43, "\0" * 43])
def test_tokens_are_made_where_there_is_none_to_keep(current: str | None) -> None:
    made = {jupyter_secrets.token(current, None, "ana") for _ in range(8)}
    assert len(made) == 8
    assert all(len(token) >= 40 and token != current for token in made)


@pytest.mark.parametrize("given", ["", "two words", "newline\n", "schlüssel"])
def test_what_can_not_be_a_token(given: str) -> None:
    with pytest.raises(EvenkeelError, match="The token of ana"):
        jupyter_secrets.token("here", given, "ana")


@pytest.mark.parametrize("hashed", ["secret", "sha1:12:34", "$argon2id$v=19$m=1", "argon2:$argon2id$v=19 m"])
def test_what_is_no_hash(hashed: str) -> None:
    with pytest.raises(EvenkeelError, match="hashed_password of ana is not an argon2 hash"):
        jupyter_secrets.check_hash(hashed, "ana")


def test_a_hash() -> None:
    jupyter_secrets.check_hash("argon2:$argon2id$v=19$m=10240,t=10,p=8$c2FsdA$aGFzaA", "ana")
