#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put what changes in locks into one comment of a pull request (GitHub) or a merge request (GitLab).

Usage: comment.py FILE, with the Markdown that ``evenkeel lock diff --markdown`` prints. Each run replaces the comment
of the last. What changes is shown in the job's summary or log in any case, also without a token that may comment, such
as for a fork. Python's library is enough.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: By its first line, a comment is one of this program's.
MARK = "<!-- evenkeel lock diff -->\n"
NOTHING = "No locked package changes.\n"
_PAGE = 100
_SECONDS = 60


@dataclass(frozen=True)
class Forge:
    """Where the comments of one request are, and how they are asked for."""

    #: Of the list of comments.
    comments: str
    #: Returns the URL of one, by what the list has of it.
    one: Callable[[Mapping[str, Any]], str]
    method: str
    headers: Mapping[str, str]
    #: Whether the token's own account has written a comment.
    own: Callable[[Mapping[str, Any]], bool]


def main() -> int:
    """Show the changes, and comment them."""
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} FILE", file=sys.stderr)
        return 64
    changes = Path(sys.argv[1]).read_text(encoding="utf-8")
    show(changes or NOTHING)
    try:
        forge = forge_of(os.environ)
        if forge is None:
            print("There is no token to comment with, or no request to comment on.", file=sys.stderr)
        else:
            comment(forge, changes)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        print(f"Warning: what changes was not commented: {type(error).__name__}: {error}", file=sys.stderr)
    return 0


def show(text: str) -> None:
    """Write Markdown to the job's summary; where there is none, to its log."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(text)
    else:
        print(text)


def forge_of(variables: Mapping[str, str]) -> Forge | None:
    """Return the forge that a job's variables name; None without a token or a request."""
    token = token_of(variables, "GITHUB_TOKEN")
    if token and variables.get("PULL_REQUEST"):
        comments = f"{variables['GITHUB_API_URL']}/repos/{variables['GITHUB_REPOSITORY']}/issues"
        return Forge(
            f"{comments}/{int(variables['PULL_REQUEST'])}/comments",
            lambda found: f"{comments}/comments/{int(found['id'])}",
            "PATCH",
            {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
            lambda found: found["user"]["type"] == "Bot",
        )
    token = token_of(variables, "EVENKEEL_TOKEN")
    if token and variables.get("CI_MERGE_REQUEST_IID"):
        api, headers = variables["CI_API_V4_URL"], {"PRIVATE-TOKEN": token}
        request = f"projects/{int(variables['CI_PROJECT_ID'])}/merge_requests/{int(variables['CI_MERGE_REQUEST_IID'])}"
        notes = f"{api}/{request}/notes"
        me = asked(f"{api}/user", headers)["id"]
        return Forge(
            notes,
            lambda found: f"{notes}/{int(found['id'])}",
            "PUT",
            headers,
            lambda found: found["author"]["id"] == me,
        )
    return None


def token_of(variables: Mapping[str, str], name: str) -> str:
    """Return a token without the end of the line that it was pasted with; an error of it does not show it."""
    token = variables.get(name, "").strip()
    if not token.isascii() or not token.isprintable():
        raise ValueError(f"{name} is no token")
    return token


def comment(forge: Forge, changes: str) -> None:
    """Replace this program's comment, or add one; where nothing changes, only one that is there is replaced."""
    text = MARK + (changes or NOTHING)
    mine = next((one for one in listed(forge) if (one["body"] or "").startswith(MARK.strip()) and forge.own(one)), None)
    if mine is None and changes:
        asked(forge.comments, forge.headers, "POST", text)
    elif mine is not None and mine["body"].strip() != text.strip():
        asked(forge.one(mine), forge.headers, forge.method, text)


def listed(forge: Forge) -> Iterator[Mapping[str, Any]]:
    """Yield all comments."""
    number = 1
    while True:
        found = asked(f"{forge.comments}?per_page={_PAGE}&page={number}", forge.headers)
        yield from found
        if len(found) < _PAGE:
            return
        number += 1


def asked(url: str, headers: Mapping[str, str], method: str = "GET", text: str = "") -> Any:
    """Return what the forge answers."""
    body = json.dumps({"body": text}).encode() if text else None
    given = {**headers, "Content-Type": "application/json", "User-Agent": "evenkeel"}
    request = urllib.request.Request(url, data=body, headers=given, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
