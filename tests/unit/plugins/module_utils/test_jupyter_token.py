# SPDX-License-Identifier: GPL-3.0-or-later
"""The token's file: made once, mended, never readable by others, never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_token as jupyter_token
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter_token import State

ME = os.getuid()
RIGHT = State("secret", 998, 0o600)


@pytest.mark.parametrize(
    ("current", "token", "changed", "rewritten"),
    [
        pytest.param(None, None, True, True, id="none yet, one is made"),
        pytest.param(None, "secret", True, True, id="none yet, one is given"),
        pytest.param(RIGHT, None, False, False, id="whatever is there stays"),
        pytest.param(RIGHT, "secret", False, False, id="the given one is there"),
        pytest.param(RIGHT, "another", True, True, id="another one is given"),
        pytest.param(State("secret\n", 998, 0o600), None, True, True, id="newline at the end"),
        pytest.param(State("secret\n", 998, 0o600), "secret", True, True, id="newline at the end of the given one"),
        pytest.param(State("", 998, 0o600), None, True, True, id="empty"),
        pytest.param(State("secret", 998, 0o644), None, True, False, id="readable by others"),
        pytest.param(State("secret", 0, 0o600), None, True, False, id="someone else's"),
    ],
)
def test_plan(current: State | None, token: str | None, changed: bool, rewritten: bool) -> None:
    plan = jupyter_token.plan(current, token, 998)
    assert (plan.changed, plan.new_token is not None) == (changed, rewritten)
    assert token is None or plan.new_token in (None, token)
    assert "secret" not in repr((plan.before, plan.after))


def test_made_tokens_differ_and_are_long() -> None:
    made = {jupyter_token.plan(None, None, ME).new_token or "" for _ in range(8)}
    assert len(made) == 8
    assert all(len(token) >= 40 for token in made)


@pytest.mark.parametrize("content", ["", "secret", "secret\n"])
def test_second_plan_after_apply_is_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o644)
    jupyter_token.apply(jupyter_token.plan(jupyter_token.read(str(path)), None, ME), str(path), ME)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() == path.read_text() != ""
    assert not jupyter_token.plan(jupyter_token.read(str(path)), None, ME).changed


def test_what_a_killed_run_left_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "token"
    path.parent.mkdir()
    left = path.with_name("token.new")
    left.write_text("half of a longer sec")
    left.chmod(0o644)
    jupyter_token.apply(jupyter_token.plan(None, "secret", ME), str(path), ME)
    assert jupyter_token.read(str(path)) == State("secret", ME, 0o600)
    assert not left.exists()


def test_link_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("root's")
    (tmp_path / "token").symlink_to(tmp_path / "shadow")
    with pytest.raises(EvenkeelError, match="is not a regular file"):
        jupyter_token.read(str(tmp_path / "token"))


@pytest.mark.parametrize("token", ["", " ", "two words", "line\n", "schlüssel"])
def test_bad_tokens(token: str) -> None:
    with pytest.raises(EvenkeelError, match="The token is empty, or holds white space"):
        jupyter_token.check(token)


@pytest.mark.parametrize("token", [None, "x", "a-Z_0.9~!"])
def test_good_tokens(token: str | None) -> None:
    jupyter_token.check(token)
