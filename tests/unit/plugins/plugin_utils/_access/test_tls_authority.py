# SPDX-License-Identifier: GPL-3.0-or-later
"""Evenkeel's own authority: made once, and when it issues anew."""

from __future__ import annotations

import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import tls_authority, tls_chain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_authority import Authority
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_chain import Chain
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store

from tests.unit.plugins.certificates import HOSTS, NOW, authority, days, issued, pem, request

CA = authority()
CHAIN, KEY = issued(CA)


def load(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize(
    ("chain", "match", "by", "hosts", "now", "reasons"),
    [
        pytest.param(CHAIN, True, CA, HOSTS, NOW, [], id="no problem"),
        pytest.param(CHAIN, True, CA, HOSTS[::-1], NOW, [], id="in another order"),
        pytest.param(CHAIN, True, CA, HOSTS, days(367), [], id="thirty days are left"),
        pytest.param(CHAIN, True, CA, HOSTS, days(368), ["it ends on 2027-12-29"], id="fewer are left"),
        pytest.param(CHAIN, True, CA, HOSTS[:1], NOW, ["it is for gpu1.example.com, 192.0.2.7"], id="fewer hosts"),
        pytest.param(CHAIN, False, CA, HOSTS, NOW, ["it does not match its key"], id="another's key"),
        pytest.param(CHAIN, True, authority(), HOSTS, NOW, ["another authority issued it"], id="another authority"),
        pytest.param(
            CHAIN, True, None, HOSTS, NOW, ["another authority issued it"], id="the authority is yet to be made"
        ),
        pytest.param(None, False, CA, HOSTS, NOW, ["there is none yet"], id="none yet"),
    ],
)
def test_reasons(
    chain: Chain | None, match: bool, by: Authority | None, hosts: tuple[str, ...], now: datetime, reasons: list[str]
) -> None:
    assert tls_authority.reasons(chain, match, by, hosts, 30, now) == reasons


def test_what_it_issues_is_what_clients_accept() -> None:
    verifier = PolicyBuilder().store(Store([CA.certificate])).time(NOW).build_server_verifier(x509.DNSName(HOSTS[0]))
    assert verifier.verify(CHAIN.leaf, []) == [CHAIN.leaf, CA.certificate]
    assert tls_chain.belong_together(CHAIN.leaf, KEY)
    assert "whatever the node says" not in CHAIN.leaf.subject.rfc4514_string()


def test_nothing_it_issues_outlives_it() -> None:
    late = days(3600)
    chain, _ = issued(CA, now=late)
    assert chain.not_after == CA.certificate.not_valid_after_utc


def test_it_is_made_once_for_all_who_ask(tmp_path: Path) -> None:
    place = tmp_path / "new" / "ca"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: tls_authority.ensure(place, load, 30, NOW), range(8)))
    assert len({one.certificate for one in made}) == 1
    assert stat.S_IMODE((place / "ca-key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert "ca-key.pem" in (place / ".gitignore").read_text()


def test_there_may_be_none(tmp_path: Path) -> None:
    assert tls_authority.read(tmp_path / "ca", load, 30, NOW) is None


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tls_authority.write(tmp_path, CA)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "now", "words"),
    [
        pytest.param("ca-key.pem", None, NOW, "ca.pem is there, but ca-key.pem is missing", id="its key is lost"),
        pytest.param("ca.pem", None, NOW, "ca-key.pem is there, but ca.pem is missing", id="its certificate is lost"),
        pytest.param("ca-key.pem", pem(KEY), NOW, "ca-key.pem is not the key of", id="another's key"),
        pytest.param("ca.pem", b"", NOW, "ca.pem holds no certificate", id="an empty file"),
        pytest.param("", b"", days(3630), "ends on 2036-11-24, in fewer than 30 days", id="its end is near"),
    ],
)
def test_half_an_authority_is_neither_used_nor_replaced(
    place: Path, name: str, text: bytes | None, now: datetime, words: str
) -> None:
    if text is None:
        (place / name).unlink()
    elif name:
        (place / name).write_bytes(text)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(EvenkeelError, match=words):
        tls_authority.ensure(place, load, 30, now)
    assert {path.name: path.read_bytes() for path in place.iterdir() if path.name != ".lock"} == before


@pytest.mark.parametrize("there", [False, True])
def test_its_lock_is_its_owners_alone(tmp_path: Path, there: bool) -> None:
    lock = tmp_path / ".lock"
    if there:
        lock.touch(mode=0o644)
        lock.chmod(0o644)
    tls_authority.ensure(tmp_path, load, 30, NOW)
    assert lock.stat().st_mode & 0o777 == 0o600


def test_a_link_at_the_place_of_its_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvenkeelError, match="can't be kept in"):
        tls_authority.ensure(tmp_path, load, 30, NOW)
    assert not (tmp_path / "elsewhere").exists()


def test_a_servers_certificate_is_no_authority(tmp_path: Path) -> None:
    tls_authority.write(tmp_path, Authority(CHAIN.leaf, KEY))
    with pytest.raises(EvenkeelError, match="is not the certificate of an authority"):
        tls_authority.read(tmp_path, load, 30, NOW)


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvenkeelError, match=r"can't be kept in .*file/ca"):
        tls_authority.ensure(tmp_path / "file" / "ca", load, 30, NOW)


def changed(asked: str) -> str:
    """Return a request with another name in it, and the signature of the first."""
    der = x509.load_pem_x509_csr(asked.encode()).public_bytes(Encoding.DER)
    return ssl.DER_cert_to_PEM_cert(der.replace(b"whatever", b"somebody")).replace("CERTIFICATE", "CERTIFICATE REQUEST")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (changed(request(KEY)), "is not signed with its own key"),
        (request(KEY)[:200], "can't be read"),
        ("", "can't be read"),
    ],
    ids=["changed", "cut off", "none"],
)
def test_a_request_that_is_not_its_keys_owners_is_refused(asked: str, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        CA.issue(asked, HOSTS, NOW)
