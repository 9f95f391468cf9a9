# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret is one in all directions: added, replaced, removed, or its mode alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.docker_daemon import plan as plan_docker
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as jupyter_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers as jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.servers import State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import secrets, tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tls_files import Found
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc import plan as condarc_plan

BEGIN, END = "-----BEGIN EC PRIVATE KEY-----\n", "-----END EC PRIVATE KEY-----\n"
KEY = f"{BEGIN}hush\n{END}"
FOLDER = "/etc/evenkeel/jupyter"
#: How a secret stands in a file: (text, mode, owner), None where there is no file.
STANDING = (
    None,
    pytest.param(("hush-old", 0o600, 1001), id="another"),
    pytest.param(("hush-new", 0o600, 1001), id="the same"),
    pytest.param(("hush-new", 0o644, 1001), id="another mode"),
    pytest.param(("hush-new", 0o600, 0), id="another owner"),
    pytest.param(("", 0o600, 1001), id="empty"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://mirror.example/anaconda", "https://mirror.example/anaconda"),
        ("https://ann:hush@mirror.example/x", "https://********@mirror.example/x"),
        ("https://hush@mirror.example", "https://********@mirror.example"),
        ("http: http://ann:h@sh@proxy:3128", "http: http://********@proxy:3128"),
        ("https://mirror.example/t/tk-1-2/main", "https://mirror.example/t/********/main"),
        ("['https://mirror.example/t/tk-1', 2]", "['https://mirror.example/t/********', 2]"),
        ("https://${NAME}:${PASSWORD}@mirror.example", "https://${NAME}:${PASSWORD}@mirror.example"),
        ("https://ann:$PASSWORD@mirror.example", "https://********@mirror.example"),
        ("https://mirror.example/t/$TOKEN/main", "https://mirror.example/t/$TOKEN/main"),
        ("mail ann@example.org", "mail ann@example.org"),
        ("get https://h/s?token=tk-1&x=2#f", "get https://h/s?token=********&x=2#f"),
        ("https://h/s?x=2&X-Amz-Signature=0f", "https://h/s?x=2&X-Amz-Signature=********"),
        ("https://h/s?token=$TOKEN", "https://h/s?token=$TOKEN"),
        ("https://h/source/t/tqdm/tqdm-4.66.1.tar.gz", "https://h/source/t/tqdm/tqdm-4.66.1.tar.gz"),
        (f"before\n{KEY}after\n", f"before\n{BEGIN}********\n{END}after\n"),
        (f"{BEGIN}hush", f"{BEGIN}********\n"),
        (f"{KEY}between\n{KEY}", f"{BEGIN}********\n{END}between\n{BEGIN}********\n{END}"),
    ],
)
def test_passwords_and_tokens_are_hidden(text: str, expected: str) -> None:
    assert secrets.masked(text) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        *(
            (f"https://h/s?{key}=x", True)
            for key in ("token", "private_token", "sig", "password", "api_key", "api-key")
        ),
        *((f"https://h/s?a=1&{key}=x", True) for key in ("key", "auth", "X-Amz-Credential", "AWSAccessKeyId")),
        *((f"https://h/s?{key}=x", False) for key in ("rev", "keyword", "author", "sign", "monkey", "sha256")),
        ("https://ann:hush@h/s", True),
        ("https://ann@h/s", True),
        ("https://$USER:$PASSWORD@h/s", True),
        ("git+ssh://git@h/t/tool", False),
        ("ssh://ann@h/tool", False),
        ("git+ssh://ann:hush@h/tool", True),
        ("git+https://h/t/tool", False),
        ("https://h/t/tk-1", True),
        ("https://h/api/t/tk-1/main", True),
        ("https://h/source/t/tqdm/tqdm-4.66.1.tar.gz", False),
        ("https://h/source/t/typing-extensions/typing_extensions-4.9.tar.gz", False),
        ("https://h/t/tk-1/main/noarch/tqdm-1-0.conda", True),
        ("https://h/a-1.whl#sha256=00", False),
        ("https://h/a@b", False),
        ("file:///srv/t/main", False),
        ("conda-forge", False),
    ],
)
def test_whether_a_url_carries_credentials(url: str, expected: bool) -> None:
    assert secrets.carries_credentials(url) is expected


@pytest.mark.parametrize("wanted", [True, False], ids=["wanted", "to go"])
@pytest.mark.parametrize("standing", STANDING)
@pytest.mark.parametrize("name", jupyter_server.SECRETS)
def test_secrets_of_a_notebook_server(name: str, standing: tuple[str, int, int] | None, wanted: bool) -> None:
    account = Account("ana", "/home/ana", "/bin/bash", 1001, 1001)
    kept = Server(account, "127.0.0.1", 8889, "/", "/", "hush-new", "hush-new", certificate="c", key="hush-new")
    servers, gone = ([kept], []) if wanted else ([], ["ana"])
    files = jupyter_servers.wanted(servers, gone, {}, "", FOLDER)
    state = State({**dict.fromkeys(files), f"{FOLDER}/ana/{name}": Kept(*standing) if standing else None})
    _silent(jupyter_servers.plan(state, servers, gone, files, policy="now", folder=FOLDER).diff())


@pytest.mark.parametrize("standing", STANDING)
def test_the_password_and_the_key_of_a_server_that_stays(standing: tuple[str, int, int] | None) -> None:
    account = Account("ana", "/home/ana", "/bin/bash", 1001, 1001)
    kept = Server(account, "127.0.0.1", 8889, "/", "/", "hush-new")
    files = jupyter_servers.wanted([kept], [], {}, "", FOLDER)
    stand = Kept(*standing) if standing else None
    state = State({**dict.fromkeys(files), f"{FOLDER}/ana/password": stand, f"{FOLDER}/ana/key.pem": stand})
    _silent(jupyter_servers.plan(state, [kept], [], files, policy="now", folder=FOLDER).diff())


@pytest.mark.parametrize("standing", STANDING)
@pytest.mark.parametrize("wanted", [None, "hush-new"])
def test_the_key_of_a_certificate(standing: tuple[str, int, int] | None, wanted: str | None) -> None:
    changes = tls_files.plan(Found(None, Kept(*standing) if standing else None), None, wanted)
    _silent([*(change.diff() for change in changes), tls_files.words(changes)])


def _kept(before: str | None, after: str | None) -> dict[str, str]:
    return Change("/f", Kept(before) if before else None, Kept(after) if after else None).diff()


def _docker(before: str | None, _: str | None) -> dict[str, str]:
    return plan_docker(Kept(json.dumps({"http-proxy": before})) if before else None).file.diff()


def _condarc(before: str | None, after: str | None) -> dict[str, str]:
    return condarc_plan.Plan("/c", before or "", after, 0o600, True, False, "").diff


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(_kept, id="a kept file"),
        pytest.param(_docker, id="Docker"),
        pytest.param(_condarc, id="condarc"),
    ],
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "new"),
        ("old", None),
        ("old", "new"),
        ("old", "old"),
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "https://me:hush-%s@a.example/simple",
        "https://a.example/t/hush-%s/main",
        "https://hush-%s@a.example",
        "https://a.example?token=hush-%s",
    ],
)
def test_credentials_in_urls(
    show: Callable[[str | None, str | None], Any], form: str, before: str | None, after: str | None
) -> None:
    _silent(show(*(form % text if text else None for text in (before, after))))


def test_that_a_secret_differs_is_shown() -> None:
    diff = _kept("https://me:old@a", "https://me:new@a")
    assert diff["before"] != diff["after"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": ["https://me:hush@a", {"b": "http://token@b/c"}], "d": 1}, {"me:hush", "token"}),
        ("https://a.example/t/tk-1/main", {"tk-1"}),
        ("https://a.example/main?token=tk-1", {"tk-1"}),
        ("https://${NAME}:${PASSWORD}@a", set()),
        (None, set()),
    ],
)
def test_secrets_of_parameters(value: Any, expected: set[str]) -> None:
    assert secrets.of_urls(value) == expected


def test_a_short_secret_hides_no_other_words() -> None:
    assert secrets.long_enough(["", "a", "long-enough"]) == {"long-enough"}


def test_a_text_without_secrets() -> None:
    assert (
        secrets.without("a, hush-hush-hush, hush-hush", ["a", "hush-hush", "hush-hush-hush"]) == "a, ********, ********"
    )


def _silent(shown: Any) -> None:
    assert "hush" not in str(shown)
