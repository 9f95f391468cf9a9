# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex

from lab.nodes import ssh
from lab.nodes.ssh import HostKey

KNOWN = """\
10.0.0.1 ssh-ed25519 AAA1 evenkeel-a-debian12-1
10.0.0.2 ssh-ed25519 AAA2 evenkeel-b-debian12-1
"""


def test_a_new_node_is_added() -> None:
    fresh = HostKey("evenkeel-c-debian13-1", "10.0.0.3", "ssh-ed25519 AAA3 root@debian13-1\n")
    assert ssh.merge(KNOWN, [fresh], set()) == f"{KNOWN}10.0.0.3 ssh-ed25519 AAA3 evenkeel-c-debian13-1\n"


def test_a_new_owner_of_an_address_replaces_the_old_one() -> None:
    fresh = HostKey("evenkeel-c-debian13-1", "10.0.0.1", "ssh-ed25519 AAA3")
    assert "AAA1" not in ssh.merge(KNOWN, [fresh], set())


def test_a_node_at_a_new_address_leaves_its_old_one() -> None:
    fresh = HostKey("evenkeel-a-debian12-1", "10.0.0.9", "ssh-ed25519 AAA9")
    lines = ssh.merge(KNOWN, [fresh], set()).splitlines()
    assert [line.split()[0] for line in lines] == ["10.0.0.2", "10.0.0.9"]


def test_a_node_is_forgotten() -> None:
    assert ssh.merge(KNOWN, [], {"evenkeel-a-debian12-1"}) == KNOWN.splitlines(keepends=True)[1]


def test_options_survive_a_shell() -> None:
    words = shlex.split(" ".join(ssh.options()))
    assert words[::2] == ["-o"] * (len(words) // 2)
    assert f'UserKnownHostsFile="{ssh.KNOWN_HOSTS}"' in words
    assert "StrictHostKeyChecking=yes" in words
