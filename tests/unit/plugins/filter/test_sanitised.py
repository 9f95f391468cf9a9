# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node that somebody else has taken over says is written out by each filter that shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.gpu.plugins.filter.client_config import client_config
from ansible_collections.evenkeel.gpu.plugins.filter.client_config_tokens import FilterModule as ClientConfigTokens
from ansible_collections.evenkeel.gpu.plugins.filter.compare_environments import compare_environments
from ansible_collections.evenkeel.gpu.plugins.filter.conda_mirror import conda_mirror
from ansible_collections.evenkeel.gpu.plugins.filter.gpu_verdicts import gpu_verdicts

ESCAPE, SHOWN = "\x1b[2K\rok: [n1]", r"\x1b[2K\x0dok: [n1]"
DRIFTED = {"name": "ai-dev", "digest": "1" * 64, "packages": [], "drift": [f"+ {ESCAPE}"]}
ENTRY = {"user": ESCAPE, "token_file": "/etc/evenkeel/jupyter/ana/token"}


@pytest.mark.parametrize(
    "result",
    [
        compare_environments({"n1": [DRIFTED]}),
        gpu_verdicts({"n1": [{"failed": True, "msg": ESCAPE}]}),
        client_config({"n1": {"servers": None, "why": ESCAPE}}),
        ClientConfigTokens().filters()["client_config_tokens"](json.dumps({"servers": [ENTRY]})),
    ],
    ids=["compare_environments", "gpu_verdicts", "client_config", "client_config_tokens"],
)
def test_a_filter(result: Any) -> None:
    shown = json.dumps(result, ensure_ascii=False).replace("\\\\", "\\")
    assert SHOWN in shown
    assert "\\u001b" not in shown


def test_an_error_of_a_filter() -> None:
    with pytest.raises(AnsibleFilterError, match=r"\\x1b"):
        conda_mirror({"url": "https://a", "\x1b[2K": 1})
