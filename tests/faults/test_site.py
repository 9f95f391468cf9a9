# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml does with bad input, which it refuses before any role changes anything, and with names of users."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
        ({"jupyter_port": "many"}, ("jupyter_port is 'many'. Set it to a whole number.",)),
        ({"conda_environments_list": [{"name": "a/b", "packages": ["python"]}]}, ("a/b",)),
        ({"condarc_mirror": "mirror.example"}, ("There is no mirror", "mirror.example")),
        ({"condarc_settings": {"chanels": ["a"]}}, ("condarc_settings holds chanels", "Did you mean channels")),
        ({"condarc_settings": {"offline": "maybe"}}, ("offline is 'maybe'", "true or false")),
        ({"condarc_path": "/etc/conda/evenkeel.conf"}, ("conda reads only files named",)),
    ],
)
def test_bad_input_for_any_role_changes_nothing(bare: Node, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    assert bare.play(**variables).failed_saying(*words)
    assert bare.fingerprint() == before


# what users may call their files

#: A name that clears the line, colours it and names the window.
SPOOFED = "z\\033]0;pwned\\007\\033[2K\\r\\033[32mok: [n1]\\033[0m.yml"
SHOWN = r"z\x1b]0;pwned\x07\x1b[2K\x0d\x1b[32mok: [n1]\x1b[0m.yml"


@pytest.fixture
def spoofing(bare: Node) -> Iterator[Node]:
    """A node with a user bo who tries to write on the operator's terminal."""
    bare.host.check_output(
        "useradd --create-home bo && cd ~bo && mkdir -p .conda/condarc.d"
        f" && printf 'channels: [x]\\n' >.conda/condarc.d/\"$(printf '{SPOOFED}')\" && chown -R bo: ."
    )
    yield bare
    bare.host.check_output("userdel --remove bo")


def test_what_users_call_their_files_is_written_out_on_the_terminal(spoofing: Node) -> None:
    answer = spoofing.play(tags="condarc")
    assert answer.succeeded()
    assert f"/home/bo/.conda/condarc.d/{SHOWN} wins over" in answer.output
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", answer.output)
