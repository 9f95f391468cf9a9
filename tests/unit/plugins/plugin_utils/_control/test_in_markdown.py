# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import in_markdown


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a", "` a `"),
        ("", "`  `"),
        ("a`b", "`` a`b ``"),
        ("``@all``", "``` ``@all`` ```"),
        ("a\n\n# b", "` a  # b `"),
        ("\x1b[2J\u202e", "` \\x1b[2J\\u202e `"),
    ],
)
def test_a_text_is_code_within_a_line(text: str, code: str) -> None:
    assert in_markdown.code(text) == code


def test_a_fence_is_longer_than_what_it_encloses() -> None:
    assert in_markdown.fence("a") == "```"
    assert in_markdown.fence("a ```` b ```") == "`````"
