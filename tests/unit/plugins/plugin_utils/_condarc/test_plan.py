# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import HEADER
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import (
    Desired,
    Plan,
    defeats,
    files_for,
    needed_files,
    plain,
    plan,
    require_path,
)

PATH = "/etc/conda/condarc.d/evenkeel.yml"
OURS = f"{HEADER}\noffline: true\n"
ABSENT: dict[str, Any] = {
    "path": PATH,
    "scope": "system",
    "user": "",
    "exists": False,
    "text": "",
    "problem": "",
    "mode": 0,
    "link": "",
}


def there(text: str, mode: int = 0o644, **more: Any) -> dict[str, Any]:
    return {**ABSENT, "exists": True, "text": text, "mode": mode, **more}


def desired(state: str, backup: bool = False, **settings: Any) -> Desired:
    return Desired(state, settings, backup=backup)


def summary(plan: Plan) -> tuple[Any, ...]:
    return plan.changed, plan.after, plan.mode, plan.backup


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (ABSENT, desired("exact", offline=True), (True, OURS, 0o644, False)),
        (ABSENT, desired("exact", backup=True, offline=True), (True, OURS, 0o644, False)),
        (there(OURS), desired("exact", offline=True), (False, OURS, 0o644, False)),
        (there(OURS, 0o600), desired("exact", offline=True), (True, OURS, 0o644, False)),
        (there(f"{HEADER}\n"), desired("exact", backup=True, offline=True), (True, OURS, 0o644, True)),
        (there("quiet: true\n"), desired("exact", offline=True), (True, OURS, 0o644, True)),
        (there("not: yaml: at all\n"), desired("exact", offline=True), (True, OURS, 0o644, True)),
        (there("\n"), desired("exact", offline=True), (True, OURS, 0o644, False)),
        (ABSENT, desired("merged", offline=True), (True, "offline: true\n", 0o644, False)),
        (ABSENT, desired("merged"), (False, "", 0o644, False)),
        (there("quiet: true\n", 0o640), desired("merged", offline=True),
         (True, "quiet: true\noffline: true\n", 0o640, False)),
        (there("quiet: true\n", 0o640), desired("merged", quiet=True), (False, "quiet: true\n", 0o640, False)),
        (there("quiet: true\n"), desired("merged", backup=True, quiet=False), (True, "quiet: false\n", 0o644, True)),
        (there("channels: [https://a/t/b/c]\n"), desired("merged", channels=["https://a/t/b/c"]),
         (True, "channels: [https://a/t/b/c]\n", 0o600, False)),
        (there("channels: [https://a/t/b/c]\n"), desired("merged", quiet=True),
         (True, "channels: [https://a/t/b/c]\nquiet: true\n", 0o644, False)),
        (ABSENT, desired("absent"), (False, None, 0o644, False)),
        (there(OURS), desired("absent"), (True, None, 0o644, False)),
        (there(OURS), desired("absent", backup=True), (True, None, 0o644, True)),
    ],
)  # fmt: skip
def test_what_happens_to_the_file(found: dict[str, Any], wanted: Desired, expected: tuple[Any, ...]) -> None:
    made = plan(found, wanted)
    assert summary(made) == expected
    if made.after is not None:
        assert not plan({**found, **there(made.after, made.mode)}, wanted).changed


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        (there("quiet: true\n", link="/srv/x"), desired("exact", offline=True), "is a symbolic link to /srv/x; it"),
        (there("", problem="is no text in UTF-8"), desired("merged"), r"evenkeel\.yml: is no text in UTF-8; it"),
        (there("not: yaml: at all\n"), desired("merged", offline=True), "evenkeel.yml, line 1: mapping values"),
        (there("a: 1\na: 2\n"), desired("merged"), "evenkeel.yml, line 2: found duplicate key"),
        (there("chanels: [a]\n"), desired("merged"), r"evenkeel.yml holds chanels, .* Did you mean channels"),
        (there("auto_activate: true\nauto_activate_base: true\n"), desired("merged", auto_activate=False),
         "holds auto_activate and auto_activate_base, which are one setting"),
        (there("quiet: true\n"), desired("absent"), "is not Evenkeel's; it was left as it is"),
        (there(""), Desired("merged", {}, remove=("chanels",)), "remove holds chanels"),
    ],
)  # fmt: skip
def test_what_must_not_be_touched_is_refused(found: dict[str, Any], wanted: Desired, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        plan(found, wanted)


def test_a_link_in_a_home_is_the_users_own_affair() -> None:
    assert plan(there("", link="dotfiles/condarc", scope="user"), desired("merged", quiet=True)).changed


def test_the_difference_hides_secrets_but_not_that_there_is_one() -> None:
    before = there("proxy_servers:\n  http: http://ann:hush@proxy\n", 0o600)
    diff = plan(before, desired("merged", proxy_servers={"http": "http://ann:hist@proxy"})).diff
    assert "hush" not in str(diff)
    assert "hist" not in str(diff)
    assert diff["before"] != diff["after"]
    assert plan(there(OURS), desired("absent")).diff["after"] == ""


@pytest.mark.parametrize("path", ["/etc/conda/.condarc", "/etc/conda/condarc", "/x/y.yml", "/x/y.yaml"])
def test_names_that_conda_reads_are_taken(path: str) -> None:
    require_path(path)


@pytest.mark.parametrize(
    "path", ["etc/condarc", "/etc/conda/evenkeel.conf", "/etc/../condarc", "/etc//condarc", "/x.yml/"]
)
def test_names_that_conda_does_not_read_are_refused(path: str) -> None:
    with pytest.raises(EvenkeelError, match="conda reads only files named"):
        require_path(path)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ssl_verify": True, "client_ssl_cert": None}, []),
        ({"ssl_verify": "truststore"}, []),
        (
            {"ssl_verify": "/etc/ssl/site.pem", "client_cert": "/etc/ssl/me.pem"},
            ["/etc/ssl/site.pem", "/etc/ssl/me.pem"],
        ),
        ({"ssl_verify": "$BUNDLE", "client_ssl_cert": "~/me.pem"}, []),
        ({"channels": ["/etc"]}, []),
    ],
)
def test_files_that_the_node_needs_are_known(settings: dict[str, Any], expected: list[str]) -> None:
    assert needed_files(settings) == expected


NODE = [
    {**there("channels: [a]\nquiet: true\n"), "path": "/opt/miniconda3/.condarc", "scope": "distribution"},
    there("offline: true\n"),
    {**there("channels: [c]\n"), "path": "/prefix/.condarc", "scope": "environment"},
    {**there("offline: false\n"), "path": "/home/ann/.condarc", "scope": "user", "user": "ann"},
    {**there("offline: [\n"), "path": "/home/ben/.condarc", "scope": "user", "user": "ben"},
    {**there("copy: true\nalways_copy: true\n"), "path": "/home/ben/.conda/condarc", "scope": "user", "user": "ben"},
    {**there("", problem="Permission denied"), "path": "/home/cat/.condarc", "scope": "user", "user": "cat"},
]


@pytest.mark.parametrize(
    ("user", "paths", "problems"),
    [
        ("", [PATH, "/opt/miniconda3/.condarc", "/prefix/.condarc"], {}),
        ("ann", [PATH, "/opt/miniconda3/.condarc", "/home/ann/.condarc", "/prefix/.condarc"], {}),
        ("ben",
         [PATH, "/opt/miniconda3/.condarc", "/home/ben/.condarc", "/home/ben/.conda/condarc", "/prefix/.condarc"],
         {"/home/ben/.condarc": ".condarc, line 2", "/home/ben/.conda/condarc": "holds copy and always_copy"}),
        ("cat", [PATH, "/opt/miniconda3/.condarc", "/home/cat/.condarc", "/prefix/.condarc"],
         {"/home/cat/.condarc": "Permission denied"}),
    ],
)  # fmt: skip
def test_the_search_path_of_a_user(user: str, paths: list[str], problems: dict[str, str]) -> None:
    files, found = files_for(NODE, user)
    assert [file.path for file in files] == paths
    assert found.keys() == problems.keys()
    assert all(words in found[path] for path, words in problems.items())


def test_who_defeats_the_fleets_file_is_told_once() -> None:
    made = plan(ABSENT, desired("exact", offline=True, channels=["a"]))
    assert defeats([ABSENT, *NODE[:1], *NODE[2:]], made, ["ann", "ben", "cat"]) == [
        {"user": "", "path": "/prefix/.condarc", "keys": ["channels"]},
        {"user": "ann", "path": "/home/ann/.condarc", "keys": ["offline"]},
    ]
    assert defeats([ABSENT], made, ["ann"]) == []
    assert defeats(NODE, plan(there(OURS), desired("absent")), ["ann"]) == []
    assert defeats([], made, ["ann"]) == []


class Text(str):
    """What Ansible makes of text."""


def test_what_ansible_adds_to_values_goes() -> None:
    value = plain({Text("a"): [Text("b"), True, 1, 1.5, None]})
    assert value == {"a": ["b", True, 1, 1.5, None]}
    assert type(value["a"][0]) is str
