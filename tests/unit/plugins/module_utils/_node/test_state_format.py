# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known


@pytest.mark.parametrize(
    "content", [{}, {"format": 2}, {"format": 3}, {"format": "9"}, {"format": None}, [9], "9", None]
)
def test_known_older_and_damaged_files_pass(content: object) -> None:
    require_known("/marker", content, 3)


def test_a_newer_format_is_refused_by_name() -> None:
    expected = r"^/marker was written by a newer Evenkeel \(format 4; this one knows 3\)\. Upgrade the collection"
    with pytest.raises(EvenkeelError, match=expected):
        require_known("/marker", {"format": 4}, 3)
