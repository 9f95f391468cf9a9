# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc_secrets import has_secret, masked, masked_value


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
    ],
)
def test_passwords_and_tokens_are_hidden(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, False),
        (["conda-forge", "https://a/t/b/c"], True),
        ({"http": "http://u:p@proxy"}, True),
        ({"x": [{"y": "http://u:p@proxy"}]}, True),
        ({"http": "http://$U:$P@proxy"}, False),
    ],
)
def test_secrets_are_found_at_any_depth(value: Any, expected: bool) -> None:
    assert has_secret(value) is expected
    assert not has_secret(masked_value(value)) or not expected
