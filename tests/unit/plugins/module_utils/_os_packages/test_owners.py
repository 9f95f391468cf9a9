# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to a package."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners


@pytest.mark.parametrize(
    ("manager", "ask"), [("apt", ["dpkg-query", "--search"]), ("dnf", ["rpm", "--query", "--file"])]
)
def test_files_are_found_under_both_their_names(manager: str, ask: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"/lib/a", "/usr/lib/b", "/usr/src/c", "/lib64/d"}

    def run(argv: list[str]) -> command.Done:
        assert argv[:-1] == ask
        return command.Done(0 if argv[-1] in known else 1, "", "")

    monkeypatch.setattr(command, "run", run)
    ours = ["/usr/lib/a", "/lib/b", "/usr/src/c", "/usr/lib64/d"]
    assert owners.owned([*ours, "/usr/lib/e", "/src/c"], manager) == set(ours)
    assert owners.owned([], manager) == set()
