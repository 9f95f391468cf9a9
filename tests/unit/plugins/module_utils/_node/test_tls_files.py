# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate and its key on a node, with the node's own openssl."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import tls_certificate, tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tls_files import Found
from cryptography import x509

from tests.unit.plugins.certificates import HOSTS, NOW, authority, issued, pem

CA = authority()
CHAIN, KEY = issued(CA)
RIGHT = Found(Kept("certificate"), Kept("key", 0o600))


@pytest.mark.parametrize(
    ("found", "certificate", "key", "words"),
    [
        pytest.param(RIGHT, None, None, {}, id="what is there stays"),
        pytest.param(RIGHT, "certificate", "key", {}, id="it is there already"),
        pytest.param(RIGHT, "new", "key", {"certificate.pem": "replaced"}, id="renewed with the same key"),
        pytest.param(RIGHT, "new", "new", {"key.pem": "replaced", "certificate.pem": "replaced"}, id="both are new"),
        pytest.param(Found(None, None), "new", "new", {"key.pem": "made", "certificate.pem": "made"}, id="none yet"),
        pytest.param(Found(None, None), None, None, {}, id="none yet, and none is given"),
        pytest.param(
            Found(Kept("certificate"), Kept("key", 0o644)),
            None,
            None,
            {"key.pem": "owner 0, mode 0644 -> owner 0, mode 0600"},
            id="a key that others can read",
        ),
        pytest.param(
            Found(Kept("certificate", uid=7), Kept("key", 0o600)),
            "certificate",
            "key",
            {"certificate.pem": "owner 7, mode 0644 -> owner 0, mode 0644"},
            id="somebody else's",
        ),
    ],
)
def test_plan(found: Found, certificate: str | None, key: str | None, words: dict[str, str]) -> None:
    changes = tls_files.plan(found, certificate, key)
    assert tls_files.words(changes) == words
    assert list(tls_files.words(changes)) == [change.path for change in changes]


def test_no_diff_has_a_key() -> None:
    changes = tls_files.plan(RIGHT, None, "new")
    assert changes
    assert not {"key", "new"} & set(str(changes[0].diff()).split())


def test_a_node_makes_its_key_and_gets_a_certificate_for_it(tmp_path: Path) -> None:
    place = str(tmp_path / "tls")
    asked = tls_files.request(place, HOSTS[0])
    fresh = tmp_path / "tls" / tls_files.FRESH_KEY
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
    assert x509.load_pem_x509_csr(asked.encode()).is_signature_valid
    chain = CA.issue(asked, HOSTS, NOW)
    assert tls_files.install(place, chain.pem, None, check_mode=True)
    assert tls_files.read(place) == Found(None, None)
    assert tls_files.install(place, chain.pem, None, check_mode=False)
    found = tls_files.read(place)
    assert tls_files.belong_together(*(str(tmp_path / "tls" / name) for name in ("certificate.pem", "key.pem")))
    assert found.certificate is not None
    assert found.certificate.text == chain.pem
    assert {path.name for path in Path(place).iterdir()} == {"certificate.pem", "key.pem"}


def test_a_certificate_without_its_key_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"\.key\.pem\.new is gone"):
        tls_files.install(str(tmp_path), CHAIN.pem, None, check_mode=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("certificate", "key", "match"),
    [
        pytest.param(CHAIN.pem.encode(), pem(KEY), True, id="each other's"),
        pytest.param(issued(CA)[0].pem.encode(), pem(KEY), False, id="another's"),
        pytest.param(b"", pem(KEY), False, id="truncated"),
        pytest.param(b"\xff\0 garbage", pem(KEY), False, id="garbage"),
        pytest.param(CHAIN.pem.encode(), b"", False, id="an empty key"),
        pytest.param(CHAIN.pem.encode(), pem(KEY, "secret"), False, id="a key with a passphrase"),
        pytest.param(CHAIN.pem.encode(), None, False, id="no key"),
        pytest.param(None, None, False, id="none yet"),
    ],
)
def test_whether_they_belong_together(
    tmp_path: Path, certificate: bytes | None, key: bytes | None, match: bool
) -> None:
    for name, content in (("certificate.pem", certificate), ("key.pem", key)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    assert tls_files.belong_together(str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")) is match


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_makes_a_key_is_required_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    monkeypatch.setattr(tls_files.shutil, "which", lambda _: None)
    params = {"state": "present", "directory": str(tmp_path), "hosts": [], "request": False, "install": None}
    with pytest.raises(EvenkeelError, match="no program openssl"):
        tls_certificate.converge(params, check_mode)
    brought = {"certificate": CHAIN.pem, "key": pem(KEY).decode()}
    assert tls_certificate.converge({**params, "install": brought}, check_mode=True)["changed"]
