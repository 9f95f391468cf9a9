# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml does with bad input: it says so before any role changes anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conftest import Node


@pytest.fixture
def bare(node: Node) -> Node:
    """A node that no role has touched."""
    node.strip()
    return node


def test_a_port_in_use_is_told_with_its_holder(bare: Node) -> None:
    bare.host.check_output("systemd-run --unit=squatter python3 -m http.server 8888 --bind 127.0.0.1")
    try:
        bare.host.check_output("until ss --listening --tcp --numeric | grep -q 127.0.0.1:8888; do sleep 0.02; done")
        before = bare.fingerprint()
        assert bare.play().failed_saying("8888", "python3", "squatter.service", "jupyter_port")
        assert bare.fingerprint() == before
    finally:
        bare.host.check_output("systemctl stop squatter.service")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"jupyter_user": "root"}, ("jupyter_user", "root")),
        ({"jupyter_address": "0.0.0.0"}, ("jupyter_address", "0.0.0.0", "jupyter_allow_remote_address")),  # noqa: S104
        ({"jupyter_environment": "nowhere"}, ("jupyter_environment", "nowhere", "ai-dev")),
        ({"jupyter_port": "many"}, ("jupyter_port",)),
        ({"conda_environments_list": [{"name": "a/b", "packages": ["python"]}]}, ("a/b",)),
        ({"condarc_mirror": "mirror.example"}, ("There is no mirror", "mirror.example")),
        ({"condarc_settings": {"chanels": ["a"]}}, ("settings holds chanels", "Did you mean channels")),
        ({"condarc_settings": {"offline": "maybe"}}, ("offline is 'maybe'", "true or false")),
        ({"condarc_path": "/etc/conda/evenkeel.conf"}, ("conda reads only files named",)),
    ],
)
def test_bad_input_for_any_role_changes_nothing(bare: Node, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    assert bare.play(**variables).failed_saying(*words)
    assert bare.fingerprint() == before
