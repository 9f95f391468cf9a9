# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that people bring: which are taken, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import tls_chain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_chain import Chain
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from tests.unit.plugins.certificates import HOSTS, NOW, authority, days, issued, pem

CA = authority()
CHAIN, KEY = issued(CA)
OTHER_CHAIN, OTHER_KEY = issued(authority())
BACKWARDS = Chain(CHAIN.certificates[::-1])
BROKEN = Chain((CHAIN.leaf, OTHER_CHAIN.certificates[1]))


def test_a_chain_is_read_and_written_as_it_is() -> None:
    assert tls_chain.parse(CHAIN.pem.encode(), "x") == CHAIN
    assert CHAIN.hosts == HOSTS
    assert CHAIN.words[:2] == ("for gpu1.example.com, 192.0.2.7", "issued by CN=Evenkeel CA")


@pytest.mark.parametrize("text", [b"", b"nonsense", pem(KEY), CHAIN.pem.encode()[:200]])
def test_what_is_no_certificate(text: bytes) -> None:
    with pytest.raises(EvenkeelError, match=r"files/gpu\.pem holds no certificate"):
        tls_chain.parse(text, "files/gpu.pem")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b"", "holds no private key", id="empty"),
        pytest.param(CHAIN.pem.encode(), "holds no private key", id="a certificate"),
        pytest.param(pem(KEY, "secret"), "has a passphrase", id="with a passphrase"),
    ],
)
def test_what_is_no_key_for_a_server(text: bytes, words: str) -> None:
    with pytest.raises(EvenkeelError, match=f"files/key.pem.*{words}|{words}"):
        tls_chain.parse_key(text, "files/key.pem")


def test_what_can_be_used() -> None:
    tls_chain.require_usable(CHAIN, tls_chain.parse_key(pem(KEY), "key"), HOSTS, NOW, "gpu.pem")
    tls_chain.require_usable(Chain((CHAIN.leaf,)), KEY, (), NOW, "gpu.pem")


@pytest.mark.parametrize(
    ("chain", "key", "hosts", "now", "words"),
    [
        pytest.param(CHAIN, OTHER_KEY, HOSTS, NOW, "key is not that of .* and its own key", id="another's key"),
        pytest.param(
            BACKWARDS, KEY, HOSTS, NOW, "key is not that of .* own certificate first", id="the wrong way round"
        ),
        pytest.param(CHAIN, KEY, HOSTS, days(-1), "is not valid before 2026-11-27 09:00 UTC", id="too early"),
        pytest.param(CHAIN, KEY, HOSTS, days(398), "expired on 2027-12-29 10:00 UTC", id="too late"),
        pytest.param(
            CHAIN, KEY, (*HOSTS, "b.test"), NOW, r"is not for b\.test; it is for gpu1\.example", id="another host"
        ),
        pytest.param(BROKEN, KEY, HOSTS, NOW, "Certificate 2 .* not the issuer of certificate 1", id="another's chain"),
    ],
)
def test_what_no_client_would_accept(
    chain: Chain, key: tls_chain.PrivateKeyTypes, hosts: Sequence[str], now: datetime, words: str
) -> None:
    with pytest.raises(EvenkeelError, match=words):
        tls_chain.require_usable(chain, key, hosts, now, "gpu.pem")


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["a.test"], "a.test", True),
        (["a.test"], "b.a.test", False),
        (["*.a.test"], "b.a.test", True),
        (["*.a.test"], "a.test", False),
        (["*.a.test"], "c.b.a.test", False),
        (["*.a.test"], "*.a.test", True),
        (["192.0.2.7"], "192.0.2.7", True),
        (["*.0.2.7"], "192.0.2.7", False),
    ],
)
def test_whom_a_name_covers(names: list[str], host: str, covered: bool) -> None:
    assert tls_chain.covers(names, host) is covered


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("GPU1.example.com", "gpu1.example.com"),
        ("*.example.com", "*.example.com"),
        ("gpu1", "gpu1"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_hosts_are_spelled_as_in_certificates(text: str, host: str) -> None:
    assert tls_chain.host(text) == host


@pytest.mark.parametrize(
    "text",
    ["", "https://a.test", "a.test:443", "a_b.test", "-a.test", "a..test", "192.0.2.300", "*", "ü.test", "a" * 64],
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(EvenkeelError, match="neither a DNS name nor an IP address"):
        tls_chain.host(text)


def test_a_key_of_another_kind_is_no_match() -> None:
    assert not tls_chain.belong_together(CHAIN.leaf, generate_private_key(SECP256R1()))
    assert tls_chain.belong_together(CHAIN.leaf, KEY)
