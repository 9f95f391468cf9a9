# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commits are refused for what they would put on the disk."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import tree
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.tree import Entry


def test_a_listing_of_git_is_read_with_odd_names() -> None:
    listed = "100644 blob aa      12\ta b\n\t.yml\x00120000 blob bb       3\tlink\x00160000 commit cc       -\tsub\x00"
    assert tree.parse(listed) == [
        Entry("100644", "aa", "a b\n\t.yml", 12),
        Entry("120000", "bb", "link", 3),
        Entry("160000", "cc", "sub", 0),
    ]


@pytest.mark.parametrize(
    ("path", "links", "inside"),
    [
        ("a", {"a": "b"}, True),
        ("collections/x/plugins", {"collections/x/plugins": "../../plugins"}, True),
        ("a", {"a": "/etc/passwd"}, False),
        ("a", {"a": ".."}, False),
        ("d/a", {"d/a": "../.."}, False),
        ("d/a", {"d/a": "../b/../../b"}, False),
        ("a", {"a": "b/..", "b": "d/e"}, True),
        # By their texts both stay inside: the way through b does not.
        ("d/a", {"d/a": "../x/y/b/../../..", "x/y/b": "../../d"}, False),
        ("a", {"a": "b", "b": "/etc"}, False),
        ("a", {"a": "a"}, False),
        ("a", {"a": "b", "b": "a"}, False),
        ("a", {"a": "./b//c"}, True),
    ],
)
def test_a_link_is_followed_as_the_kernel_does(path: str, links: dict[str, str], inside: bool) -> None:
    assert tree.stays_inside(path, links) is inside


def test_what_is_refused_is_named_and_counted() -> None:
    files = [Entry("100644", "a", "ok", 1), Entry("100755", "a", "run", 1), Entry("120000", "b", "good", 1)]
    bad = [Entry("120000", "b", "bad", 1), *(Entry("160000", "c", f"s{number}", 0) for number in range(6))]
    assert tree.problems(files, {"good": "ok"}) == []
    assert tree.problems([*files, *bad], {"good": "ok", "bad": "/etc"}) == [
        "the link bad leads out of the repository, to /etc",
        *(f"s{number} is a submodule" for number in range(4)),
        "2 more",
    ]
    assert tree.problems([Entry("040000", "a", "d", 0)], {}) == ["d has the mode 040000"]
