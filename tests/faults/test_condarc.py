# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role condarc does with bad settings, a mirror that lacks a channel, and files that people broke."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conftest import Node

FILE = "/etc/conda/condarc.d/evenkeel.yml"
PRIVATE = "http://ann:hush@proxy.example:3128"


@pytest.fixture
def bare(node: Node) -> Node:
    """A node that no role has touched."""
    node.strip()
    return node


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"condarc_settings": {"chanels": ["a"]}}, ("chanels", "Did you mean channels")),
        ({"condarc_settings": {"remote_max_retries": "many"}}, ("remote_max_retries is 'many'", "a whole number")),
        ({"condarc_settings": {"channel_priority": "strictest"}}, ("'strictest'", "strict, flexible, disabled")),
        ({"condarc_settings": {"auto_activate_base": False}}, ("auto_activate and auto_activate_base", "one setting")),
        ({"condarc_final": ["offlin"]}, ("final names offlin",)),
        ({"condarc_channels": []}, ("channels is empty",)),
        ({"condarc_channels": ["defaults", "nvidia"], "condarc_mirror": "tuna"}, ("nvidia", "sustech")),
        ({"condarc_mirror": "tsinghua"}, ("There is no mirror 'tsinghua'", "tuna")),
        ({"condarc_path": "/etc/conda/evenkeel.conf"}, ("conda reads only files named",)),
        ({"condarc_ca_bundle": "/etc/ssl/lost.pem"}, ("ssl_verify names /etc/ssl/lost.pem",)),
        ({"condarc_users": ["stranger"]}, ("no user stranger",)),
        ({"condarc_proxy_servers": {"http": [PRIVATE]}}, ("proxy_servers is {'http': ['http://********@",)),
    ],
)
def test_bad_settings_are_named_and_nothing_changes(
    bare: Node, variables: dict[str, Any], words: tuple[str, ...]
) -> None:
    before = bare.fingerprint()
    answer = bare.play(tags="condarc", **variables)
    assert answer.failed_saying(*words)
    assert bare.fingerprint() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("channels: [defaults\\nquiet: true\\n", (f"{FILE}, line 2",)),
        ("quiet: true\\nquiet: false\\n", (f"{FILE}, line 2", "duplicate key")),
        ("chanels: [a]\\n", (f"{FILE} holds chanels", "Did you mean channels")),
        ("auto_activate: true\\nauto_activate_base: true\\n", ("auto_activate and auto_activate_base", "one setting")),
        ("\\377\\376", (FILE, "is no text in UTF-8")),
        ("{quiet: true}\\n", (FILE, "single keys cannot be replaced")),
    ],
)
def test_a_broken_file_is_not_merged_into(bare: Node, content: str, words: tuple[str, ...]) -> None:
    bare.host.check_output(f"mkdir -p /etc/conda/condarc.d && printf '{content}' >{FILE}")
    before = bare.fingerprint()
    assert bare.play(tags="condarc", condarc_state="merged").failed_saying(*words)
    assert bare.fingerprint() == before


def test_a_file_of_somebody_else_is_kept(bare: Node) -> None:
    bare.host.check_output(f"mkdir -p /etc/conda/condarc.d && printf 'chanels: [\\n' >{FILE}")
    answer = bare.play(tags="condarc")
    assert answer.succeeded()
    assert f"{FILE} was not Evenkeel's; it is kept as {FILE}." in " ".join(answer.output.split())
    assert bare.host.check_output(f"cat {FILE}.*~") == "chanels: ["


def test_a_link_at_its_place_is_left_alone(bare: Node) -> None:
    bare.host.check_output(f"mkdir -p /etc/conda/condarc.d && ln -s /etc/hostname {FILE}")
    before = bare.fingerprint()
    assert bare.play(tags="condarc").failed_saying(f"{FILE} is a symbolic link to /etc/hostname")
    assert bare.fingerprint() == before


def test_a_full_disk_leaves_the_old_file(bare: Node) -> None:
    assert bare.play(tags="condarc").succeeded()
    old = bare.host.file(FILE).content_string
    bare.host.check_output(
        f"cp {FILE} /srv/ && mount -t tmpfs -o size=16k tmpfs /etc/conda/condarc.d && cp /srv/evenkeel.yml {FILE}"
        " && { cat /dev/zero >/etc/conda/condarc.d/fill 2>/dev/null || true; }"
    )
    try:
        answer = bare.play(tags="condarc", condarc_settings={"quiet": True})
        assert answer.failed_saying(f"{FILE} could not be written", "No space left")
        assert bare.host.file(FILE).content_string == old
        assert bare.host.check_output("ls -A /etc/conda/condarc.d").split() == ["evenkeel.yml", "fill"]
    finally:
        bare.host.check_output("umount --lazy /etc/conda/condarc.d")


def test_a_password_is_never_shown(bare: Node) -> None:
    answer = bare.play(tags="condarc", condarc_proxy_servers={"https": PRIVATE}, condarc_settings={"quiet": True})
    assert answer.succeeded()
    assert "hush" not in answer.output
    assert bare.host.file(FILE).mode == 0o600
    assert "hush" in bare.host.file(FILE).content_string
