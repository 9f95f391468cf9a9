# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of locks as text and as Markdown, also where somebody wants to write more than a change into a comment."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.changed_locks import (
    Changed,
    between,
    markdown,
    text,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock

ONE = Package("tool", "1.0", "0", "ab" * 32, url="https://c.example/main/noarch/tool-1.0-0.conda")
TWO = replace(ONE, version="2.0", url="https://c.example/main/noarch/tool-2.0-0.conda")
WHEEL = Package("humanize", "4.0", "", "cd" * 32, PIP, url="https://f.example/humanize-4.0-py3-none-any.whl")
NAME = "environments/ai-dev/conda-lock.yml"
BROKEN = EvenkeelError("main:lock: version is 9", "Lock again")


def lock(*packages: Package, variables: dict[str, str] | None = None) -> Lock:
    return Lock(("https://c.example/main",), ("e.yml",), {"linux-64": packages}, {}, {}, variables or {})


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({}, {}, None),
        ({NAME: lock(ONE)}, {NAME: lock(ONE)}, None),
        ({NAME: lock(ONE)}, {NAME: lock(TWO, WHEEL)}, ["linux-64", "  + humanize 4.0 (pip)", "  ~ tool 1.0 -> 2.0"]),
        ({NAME: lock(ONE)}, {NAME: lock(ONE, variables={"A": "1"})}, ["+ variable A"]),
        ({}, {NAME: lock(ONE)}, ["linux-64", "  + tool 1.0 (main)"]),
        ({NAME: lock(ONE)}, {}, ["- linux-64"]),
        (
            {NAME: BROKEN},
            {NAME: lock(ONE)},
            ["not known before: main:lock: version is 9", "linux-64", "  + tool 1.0 (main)"],
        ),
    ],
)
def test_what_changes(
    before: dict[str, Lock | EvenkeelError], after: dict[str, Lock | EvenkeelError], lines: list[str] | None
) -> None:
    found = between(before, after)
    assert [list(one.lines) for one in found] == ([] if lines is None else [lines])
    assert text(found) == ([] if lines is None else [NAME, *(f"  {line}" for line in lines)])


def test_a_lock_that_can_t_be_read_any_more_is_an_error() -> None:
    with pytest.raises(EvenkeelError, match="version is 9"):
        between({NAME: lock(ONE)}, {NAME: BROKEN})


def test_markdown_has_the_digests_of_environments() -> None:
    variables = {"A": "1"}
    shown = markdown(between({NAME: lock(ONE)}, {NAME: lock(TWO, variables=variables)}))
    was, now = digest([ONE], {}), digest([TWO], variables)
    assert shown == (
        "### Locked packages that change\n\n"
        f"` {NAME} `\n\n"
        f"- linux-64: digest {was[:12]} → {now[:12]}\n\n"
        "```diff\n+ variable A\nlinux-64\n~ tool 1.0 -> 2.0\n```\n"
    )
    assert markdown([]) == ""


HOSTILE = "```\n</details><img src=x onerror=alert(1)>\n@everyone [x](javascript:1) \x1b[2J\u202e::set-output name=x::1"


def test_what_packages_and_files_are_called_is_no_markup() -> None:
    name = "environments/``a`` <b>\n# b/conda-lock.yml"
    shown = markdown([Changed(name, ("linux-64", f"  + {HOSTILE} 1.0 (````)"), {})])
    lines = shown.splitlines()
    assert lines[2] == "``` environments/``a`` <b> # b/conda-lock.yml ```"
    fence = "`" * 5
    assert [number for number, line in enumerate(lines) if line.startswith(fence)] == [5, len(lines) - 1]
    assert (lines[5], lines[-1]) == (f"{fence}diff", fence)
    assert lines[7].startswith("+ ``` </details>")
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_comment_is_no_longer_than_a_forge_takes() -> None:
    packages = tuple(replace(ONE, name=f"package{number}") for number in range(3000))
    shown = markdown(between({}, {NAME: lock(*packages), "other": lock(ONE)}), 4000)
    assert len(shown) < 4500
    assert re.search(r"\nand 29\d\d more lines, which evenkeel lock diff shows\n```\n", shown)
    assert "+ tool 1.0 (main)" in shown
    assert len(markdown(between({}, {"a": lock(*packages), "b": lock(*packages)}), 4000)) <= 4000
    shown = markdown(between({}, {f"environments/{number}/conda-lock.yml": lock(ONE) for number in range(99)}), 4000)
    assert len(shown) <= 4100
    assert re.search(r"\nand [78]\d more locks, which evenkeel lock diff shows\n$", shown)
