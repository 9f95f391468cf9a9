# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of users as labels of DNS, and what a certificate covers."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
ODD = [
    *("Ana", "ANA", "aNa", "ana.b", "ana_b", "ana-b", "ana--b", "ana@b", "CORP\\ana", "corp\\ana", "corp-ana"),
    *(
        "-ana",
        "ana-",
        "_",
        "-",
        ".",
        "..",
        "@",
        "xn--ana",
        "xn--bcher-kva",
        "ab--c",
        "ü",
        "ana\u0301",
        "aná",
        "\u0430na",
    ),
    *("a" * 63, "a" * 64, "a" * 65, "b" * 300, "A" * 63, "a." * 31, "ana\udcff", "0", "00", "user", "123.example.com"),
]


@pytest.mark.parametrize("user", ["ana", "ana-maria", "a1", "1a", "007", "a" * 63])
def test_a_name_that_is_a_label_stays(user: str) -> None:
    assert host_names.label(user) == user


@pytest.mark.parametrize(
    ("user", "begins"),
    [
        ("Ana.Maria", "ana-maria-"),
        ("CORP\\ana", "corp-ana-"),
        ("_ana_", "ana-"),
        ("xn--ana", "xn-ana-"),
        ("ü", "user-"),
        ("b" * 300, "b" * 46 + "-"),
    ],
)
def test_any_other_keeps_what_can_be_read_of_it(user: str, begins: str) -> None:
    assert re.fullmatch(re.escape(begins) + "[0-9a-f]{16}", host_names.label(user))


def odd_names() -> set[str]:
    """Names made of what is troublesome, labels of names among them."""
    chance = random.Random(7)  # noqa: S311
    letters = "aAbB09-_.@\\+üÜ ß\u0130\u017f"
    made = {"".join(chance.choices(letters, k=chance.randint(1, 70))) for _ in range(5000)}
    short = {"".join(pick) for size in (1, 2, 3) for pick in itertools.product("aA-_.1", repeat=size)}
    names = {*ODD, *made, *short}
    return names | {host_names.label(name) for name in names}


def test_every_name_has_a_label_of_its_own() -> None:
    names = odd_names()
    labels = {name: host_names.label(name) for name in names}
    assert [name for name, label in labels.items() if not LABEL.fullmatch(label) or "--" in label] == []
    assert len(set(labels.values())) == len(names)


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["gpu1.example.com"], "GPU1.example.com", True),
        (["*.gpu1.example.com"], "ana.gpu1.example.com", True),
        (["*.gpu1.example.com"], "gpu1.example.com", False),
        (["*.example.com"], "ana.gpu1.example.com", False),
        (["*.0.2.7"], "192.0.2.7", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["*.gpu1.example.com"], "*.gpu1.example.com", True),
    ],
)
def test_whom_a_certificate_covers(names: list[str], host: str, covered: bool) -> None:
    assert host_names.covers(names, host) is covered


def test_which_hosts_users_can_be_below() -> None:
    hosts = ["gpu1.example.com", "GPU.example", "gpu1", "10.0.0.7", "fd00::1", "::ffff:1.2.3.4", "*.example.com", ""]
    assert host_names.domains(hosts) == ["gpu1.example.com", "GPU.example"]


@pytest.mark.parametrize(
    ("address", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7")],  # noqa: S104
)
def test_a_server_on_all_addresses_is_reached_on_the_loopback(address: str, reached: str) -> None:
    assert host_names.to_connect(address) == reached
