# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode of conda's and pip's configuration changes no file, and plans what a run does then."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.nodes.fleet import Fleet

CONDARC, PIP = "evenkeel.gpu.condarc", "evenkeel.gpu.pip_config"
PIP_CONF, UV_TOML = "/etc/rehearsed/pip.conf", "/etc/rehearsed/uv.toml"


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (CONDARC, {"path": "/etc/rehearsed/condarc", "settings": {"ssl_verify": True}}),
        (PIP, {"index": "http://mirror.example/simple", "pip_conf": PIP_CONF, "uv_toml": UV_TOML}),
    ],
    ids=["condarc", "pip"],
)
def test_check_mode_on_a_bare_node_changes_nothing(fleet: Fleet, module: str, arguments: dict[str, Any]) -> None:
    before, asked = fleet.fingerprint(), fleet.requests()
    assert fleet.module(module, check=True, **arguments)["changed"]
    assert fleet.fingerprint() == before
    assert set(fleet.requests()) - set(asked) == set()


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        (CONDARC, {"settings": {"chanels": ["defaults"]}}, "chanels"),
        (CONDARC, {"path": "/etc/hostname", "settings": {"ssl_verify": True}}, "/etc/hostname"),
        (PIP, {"index": "mirror.example", "pip_conf": PIP_CONF, "uv_toml": UV_TOML}, "index is .*, which is not a URL"),
        (PIP, {"index": "http://mirror.example", "pip_conf": "/etc/hostname", "uv_toml": UV_TOML}, "/etc/hostname"),
    ],
    ids=["an unknown setting", "no condarc", "no URL", "no pip.conf"],
)
def test_what_a_run_would_fail_on_is_refused_in_check_mode(
    fleet: Fleet, module: str, arguments: dict[str, Any], message: str
) -> None:
    for check in (True, False):
        with pytest.raises(LabError, match=message):
            fleet.module(module, check=check, **arguments)
