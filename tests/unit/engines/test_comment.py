# SPDX-License-Identifier: GPL-3.0-or-later
"""engines/ci/comment.py with a server that answers as a forge does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

PROGRAM = Path(__file__).parents[3] / "engines" / "ci" / "comment.py"
MARK = "<!-- evenkeel lock diff -->\n"
CHANGES = "### Locked packages that change\n\n```diff\n~ tool 1.0 -> 2.0 $(id) `id`\n```\n"
GITHUB, GITLAB = "/repos/site/work/issues/7/comments", "/projects/5/merge_requests/7/notes"


class Forge(ThreadingHTTPServer):
    """Keeps comments, and what it was asked; ``status`` is what writing ends with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.status = 201

    def add(self, body: str, *, mine: bool = False) -> None:
        """Add a comment of the token's account, or of somebody else."""
        whose = {"user": {"type": "Bot" if mine else "User"}, "author": {"id": 1 if mine else 2}}
        self.comments.append({"id": len(self.comments), "body": body, **whose})


class Handler(BaseHTTPRequestHandler):
    server: Forge

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if self.path == "/user":
            self._answer(200, {"id": 1})
        elif query["page"] and query["per_page"] == ["100"]:
            start = 100 * (int(query["page"][0]) - 1)
            self._answer(200, self.server.comments[start : start + 100])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        self.server.asked.append((f"{self.command} {self.path}", body))
        token = self.headers["Authorization"] == "Bearer secret" or self.headers["PRIVATE-TOKEN"] == "secret"
        self._answer(self.server.status if token else 401, {})

    do_PATCH = do_PUT = do_POST

    def _answer(self, status: int, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def forge() -> Iterator[Forge]:
    with Forge() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def comment(changes: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "changes.md").write_text(changes)
    argv = [sys.executable, "-I", str(PROGRAM), str(folder / "changes.md")]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={"no_proxy": "*", **variables})


def of_github(forge: Forge, folder: Path, *, token: bool = True) -> dict[str, str]:
    api = f"http://127.0.0.1:{forge.server_port}"
    known = {"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "site/work", "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    return {**known, "GITHUB_TOKEN": "secret" * token, "PULL_REQUEST": "7"}


def of_gitlab(forge: Forge, _folder: Path, *, token: bool = True) -> dict[str, str]:
    api = f"http://127.0.0.1:{forge.server_port}"
    return {"CI_API_V4_URL": api, "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7", "EVENKEEL_TOKEN": "secret" * token}


FORGES = pytest.mark.parametrize(
    ("variables", "add", "replace"),
    [
        (of_github, f"POST {GITHUB}", "PATCH /repos/site/work/issues/comments/{}"),
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
    assert "secret" not in done.stderr


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
