# SPDX-License-Identifier: GPL-3.0-or-later
"""engines/ci/comment.py with a server that answers as a forge does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.people.forge import TOKEN, Forge, served

PROGRAM = Path(__file__).parents[3] / "engines" / "ci" / "comment.py"
MARK = "<!-- evenkeel lock diff -->\n"
CHANGES = "### Locked packages that change\n\n```diff\n~ tool 1.0 -> 2.0 $(id) `id`\n```\n"
GITHUB, GITLAB = "/repos/site/ai/issues/7/comments", "/projects/5/merge_requests/7/notes"


@pytest.fixture
def forge() -> Iterator[Forge]:
    with served() as server:
        yield server


def comment(changes: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "changes.md").write_text(changes)
    argv = [sys.executable, "-I", str(PROGRAM), str(folder / "changes.md")]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={"no_proxy": "*", **variables})


def of_github(forge: Forge, folder: Path, *, token: bool = True) -> dict[str, str]:
    known = {
        "GITHUB_API_URL": forge.url,
        "GITHUB_REPOSITORY": "site/ai",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    return {**known, "GITHUB_TOKEN": TOKEN * token, "PULL_REQUEST": "7"}


def of_gitlab(forge: Forge, _folder: Path, *, token: bool = True) -> dict[str, str]:
    return {
        "CI_API_V4_URL": forge.url,
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "7",
        "EVENKEEL_TOKEN": TOKEN * token,
    }


FORGES = pytest.mark.parametrize(
    ("variables", "add", "replace"),
    [
        (of_github, f"POST {GITHUB}", "PATCH /repos/site/ai/issues/comments/{}"),
        (of_gitlab, f"POST {GITLAB}", f"PUT {GITLAB}/{{}}"),
    ],
)


@FORGES
def test_one_comment_is_added_and_then_replaced(
    variables: Any, add: str, replace: str, forge: Forge, tmp_path: Path
) -> None:
    forge.add("Well done")
    forge.add(f"{MARK}of somebody who wants to be taken for it")
    assert comment(CHANGES, tmp_path, variables(forge, tmp_path)).returncode == 0
    assert forge.asked == [(add, MARK + CHANGES)]
    for number in range(150):
        forge.add(f"Comment {number}")
    forge.add(f"{MARK}older", mine=True)
    comment(CHANGES, tmp_path, variables(forge, tmp_path))
    assert forge.asked[1:] == [(replace.format(152), MARK + CHANGES)]
    comment("", tmp_path, variables(forge, tmp_path))
    assert forge.asked[2:] == [(replace.format(152), f"{MARK}No locked package changes.\n")]


@FORGES
def test_what_says_so_already_is_left_alone(
    variables: Any, add: str, replace: str, forge: Forge, tmp_path: Path
) -> None:
    comment("", tmp_path, variables(forge, tmp_path))
    forge.add((MARK + CHANGES).strip(), mine=True)
    comment(CHANGES, tmp_path, variables(forge, tmp_path))
    assert forge.asked == []


@FORGES
def test_a_token_that_may_not_comment_fails_no_job(
    variables: Any, add: str, replace: str, forge: Forge, tmp_path: Path
) -> None:
    forge.status = 403
    done = comment(CHANGES, tmp_path, variables(forge, tmp_path))
    assert (done.returncode, len(forge.asked)) == (0, 1)
    assert "Warning: what changes was not commented: HTTPError: HTTP Error 403" in done.stderr
    assert TOKEN not in done.stderr


@FORGES
def test_a_token_is_used_without_the_end_of_its_line_and_never_shown(
    variables: Any, add: str, replace: str, forge: Forge, tmp_path: Path
) -> None:
    given = variables(forge, tmp_path)
    (name,) = (name for name, value in given.items() if value == TOKEN)
    assert comment(CHANGES, tmp_path, {**given, name: f"{TOKEN}\r\n"}).returncode == 0
    assert forge.asked == [(add, MARK + CHANGES)]
    done = comment(CHANGES, tmp_path, {**given, name: f"{TOKEN}\n{TOKEN}"})
    assert (done.returncode, done.stderr) == (
        0,
        f"Warning: what changes was not commented: ValueError: {name} is no token\n",
    )


@FORGES
def test_comments_without_a_text_are_passed_over(
    variables: Any, add: str, replace: str, forge: Forge, tmp_path: Path
) -> None:
    forge.comments.append({"id": 9, "body": None, "user": None, "author": None})
    comment(CHANGES, tmp_path, variables(forge, tmp_path))
    assert forge.asked == [(add, MARK + CHANGES)]


@FORGES
@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", b"no answer of a forge\r\n\r\n"])
def test_an_answer_that_breaks_off_fails_no_job(
    variables: Any, add: str, replace: str, answer: bytes, forge: Forge, tmp_path: Path
) -> None:
    forge.broken = answer
    done = comment(CHANGES, tmp_path, variables(forge, tmp_path))
    assert (done.returncode, forge.asked) == (0, [])
    assert "Warning: what changes was not commented" in done.stderr


@FORGES
def test_without_a_token_it_is_shown(variables: Any, add: str, replace: str, forge: Forge, tmp_path: Path) -> None:
    done = comment(CHANGES, tmp_path, variables(forge, tmp_path, token=False))
    summary = tmp_path / "summary"
    assert (done.returncode, forge.asked) == (0, [])
    assert CHANGES in (summary.read_text() if summary.exists() else done.stdout)
    assert "There is no token to comment with" in done.stderr


def test_how_it_is_called() -> None:
    done = subprocess.run([sys.executable, "-I", str(PROGRAM)], capture_output=True, text=True, check=False)
    assert (done.returncode, "usage:" in done.stderr) == (64, True)
