# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.mark.parametrize(
    ("what", "mend", "message"),
    [
        ("It broke", "Mend it", "It broke. Mend it."),
        ("It broke.", "Mend it.", "It broke. Mend it."),
        ("No candidates were found for nope *.\n", "Change it", "No candidates were found for nope *. Change it."),
    ],
)
def test_the_message_is_two_sentences(what: str, mend: str, message: str) -> None:
    error = EvenkeelError(what, mend, rc=3)
    assert str(error) == message
    assert error.details == {"rc": 3}
