# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to a package."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners

KNOWN = {"/lib/a", "/usr/lib/b", "/usr/src/c", "/lib64/d"}
OURS = ["/usr/lib/a", "/lib/b", "/usr/src/c", "/usr/lib64/d"]
#: With --search, dpkg-query prints diversions beside the packages.
DIVERTED = "diversion by local from: /usr/lib/e\ndiversion by local to: /usr/lib/e.save\n"


def of_apt(argv: list[str]) -> command.Done:
    assert argv[:2] == ["dpkg-query", "--search"]
    found = [f"one:amd64, two: {path}\n" for path in argv[2:] if path in KNOWN]
    return command.Done(1, "".join(found) + DIVERTED, "dpkg-query: no path found matching pattern /src/c\n")


def of_dnf(argv: list[str]) -> command.Done:
    assert argv[:-1] == ["rpm", "--query", "--file"]
    return command.Done(0 if argv[-1] in KNOWN else 1, "", "")


@pytest.mark.parametrize(("manager", "answer"), [("apt", of_apt), ("dnf", of_dnf)])
def test_files_are_found_under_both_their_names(
    manager: str, answer: Callable[[list[str]], command.Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run", answer)
    assert owners.owned([*OURS, "/usr/lib/e", "/src/c"], manager) == set(OURS)


@pytest.mark.parametrize("manager", ["apt", "dnf"])
def test_nothing_is_asked_about_no_files(manager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(command, "run")
    assert owners.owned([], manager) == set()
