# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab import git_site
from lab.nodes.nodes import Node


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        (["debian12", "debian12"], ["debian12"]),
        (["debian13", "debian13"], ["debian13"]),
        (["debian13", "ubuntu2604", "rocky9"], ["debian12", "debian13"]),
    ],
)
def test_each_debian_has_its_own_git(releases: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_site.nodes, "find", lambda group: [Node("n", group, one, "") for one in releases])
    assert git_site.debian_releases("some") == expected
