# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import HEADER
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.options import Desired
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import (
    Plan,
    plan,
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
        (there("quiet: true\n"), desired("absent"), (False, "quiet: true\n", 0o644, False)),
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
        (there("", problem="is not text in UTF-8"), desired("merged"), r"evenkeel\.yml: is not text in UTF-8; it"),
        (there("not: yaml: at all\n"), desired("merged", offline=True), "evenkeel.yml, line 1: mapping values"),
        (there("a: 1\na: 2\n"), desired("merged"), "evenkeel.yml, line 2: found duplicate key"),
        (there("chanels: [a]\n"), desired("merged"), r"evenkeel.yml holds chanels, .* Did you mean channels"),
        (there("auto_activate: true\nauto_activate_base: true\n"), desired("merged", auto_activate=False),
         "holds auto_activate and auto_activate_base, which are one setting"),
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
