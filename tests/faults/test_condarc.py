# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role condarc does with bad settings, a mirror that lacks a channel, and files that people broke."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults import homes
from tests.faults.conftest import Node

FILE = "/etc/conda/condarc.d/evenkeel.yml"
CASES = Path(__file__).parents[1] / "unit/plugins/plugin_utils/data/condarc"
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
        ("\\377\\376", (FILE, "is not text in UTF-8")),
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
    assert f"{FILE} was not written by Evenkeel; it is kept as {FILE}." in " ".join(answer.output.split())
    assert bare.host.check_output(f"cat {FILE}.*~") == "chanels: ["


def test_a_link_at_its_place_is_left_alone(bare: Node) -> None:
    bare.host.check_output(f"mkdir -p /etc/conda/condarc.d && ln -s /etc/hostname {FILE}")
    before = bare.fingerprint()
    assert bare.play(tags="condarc").failed_saying(f"{FILE} is a symbolic link to /etc/hostname")
    assert bare.fingerprint() == before


#: What a user does as that user, with what comes of it.
HOSTILE = {
    "ana": ("cp /srv/bomb.condarc .condarc", "line 4: it holds more than 5000 values"),
    "bo": ("cp /srv/cycle.condarc .condarc", "line 1: an alias refers to a value that contains it"),
    "cy": ("cp /srv/deep.condarc .condarc", "line 1: it is nested too deeply"),
    "dan": ("mkfifo .condarc", "is a pipe, not a regular file"),
    "eve": ("ln -s /dev/zero .condarc", "is a device, not a regular file"),
    "flo": ("truncate --size=40G .condarc", "is larger than 64 KiB"),
    "gus": (
        "mkdir -p .conda/condarc.d; for n in $(seq 120); do ln -s /etc/passwd .conda/condarc.d/$n.yml; done",
        "condarc.d: holds more than 50 configuration files",
    ),
    "hal": ("", "/home/hal: there was no answer within 10 s"),
    "ian": ("ln -s /home/ops/.bashrc .condarc", "belongs to ops"),
}
#: Its name clears a line, sets a colour and a title.
ESCAPING = r"""mkdir -p .conda/condarc.d; printf 'channels: [x]\n' > .conda/condarc.d/"$(
printf 'z\033]0;pwned\007\033[2K\r\033[32mok: [n1]\033[0m\351.yml')" """


def test_hostile_rc_files_are_problems_of_their_users_alone(bare: Node) -> None:
    honest = {"lena": 70001, "otto": 70002}
    with homes.people(bare, HOSTILE, honest, hangs="hal"):
        for case in CASES.iterdir():
            homes.put(bare, f"/srv/{case.name}", case.read_bytes())
        bare.host.check_output("chmod 755 /home/ops; chmod 644 /home/ops/.bashrc")
        for user, (make, _) in HOSTILE.items():
            if make:
                bare.host.check_output(f"sudo -u {user} sh -c %s", f"cd /home/{user}; {make}")
        bare.host.check_output("sudo -u otto sh -c %s", f"cd /home/otto; {ESCAPING}")
        homes.put(bare, "/home/lena/.condarc", b"channels: [conda-forge]\n", "lena")
        bare.host.check_output("chmod 600 /home/lena/.condarc")

        users = [*HOSTILE, *honest]
        answer = bare.play(tags="condarc", condarc_users=users, ansible_python_interpreter=homes.SQUASHED)
        assert answer.succeeded()
        shown = " ".join(answer.output.split())
        for user, (_, problem) in HOSTILE.items():
            assert f"A problem of the user {user}, which does not affect others: " in shown
            assert problem in shown
        assert f"/home/lena/.condarc wins over {FILE} for lena: channels" in shown
        assert r"z\x1b]0;pwned\x07\x1b[2K\x0d\x1b[32mok: [n1]\x1b[0m\xe9.yml wins" in shown
        assert not [character for character in answer.output if not (character.isprintable() or character == "\n")]
        assert bare.host.file(FILE).exists


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
