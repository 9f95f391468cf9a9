# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.secrets import has_secret, masked_value


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
