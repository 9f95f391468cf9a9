# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature counts of whom the operator trusts, for a bundle, and for this content."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import signature
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from tests.unit.plugins.module_utils._bundle.conftest import Workshop

NAMES = ("signers", "fingerprint", "unsigned")


def verify(content: bytes, signed: bytes, trust: Trust) -> str:
    return signature.verify(content, signed, trust, "it")


def test_it_is_verified_by_a_file_and_by_a_fingerprint(workshop: Workshop) -> None:
    signed = signature.sign(b"content", str(workshop.key("ana")))
    assert verify(b"content", signed, workshop.allow("ben", "ana")) == "ana@site.example"
    ana = workshop.fingerprint("ana")
    assert verify(b"content", signed, Trust(fingerprint=ana)) == ana


def test_another_content_key_or_purpose_is_refused(workshop: Workshop) -> None:
    signed = signature.sign(b"content", str(workshop.key("ana")))
    with pytest.raises(EvenkeelError, match="signature of it is wrong"):
        verify(b"Content", signed, workshop.allow("ana"))
    with pytest.raises(EvenkeelError, match="signature of it is wrong"):
        verify(b"content", b"nothing", workshop.allow("ana"))
    with pytest.raises(EvenkeelError, match=r"signed by the key SHA256:\S+, which \S+ does not allow"):
        verify(b"content", signed, workshop.allow("ben"))
    with pytest.raises(EvenkeelError, match="not by the one with the fingerprint"):
        verify(b"content", signed, Trust(fingerprint=workshop.fingerprint("ben")))
    trust = workshop.allow("ana")
    workshop.signers.write_text(workshop.signers.read_text().replace(" ssh-", ' namespaces="git" ssh-'))
    with pytest.raises(EvenkeelError, match="does not allow"):
        verify(b"content", signed, trust)


def test_a_signature_for_something_else_does_not_count(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"content")
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(workshop.key("ana")), str(tmp_path / "content")]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(EvenkeelError, match="is wrong"):
        verify(b"content", (tmp_path / "content.sig").read_bytes(), workshop.allow("ana"))


def test_a_key_that_can_not_sign_is_named(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)], check=True)
    with pytest.raises(EvenkeelError, match=f"can't be signed with {key}"):
        signature.sign(b"content", str(key))


def test_without_ssh_keygen_nothing_is_taken(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = workshop.allow("ana")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EvenkeelError, match="no ssh-keygen"):
        verify(b"content", b"", trust)


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        (Trust(), "None of signers, fingerprint, unsigned"),
        (Trust(fingerprint=f"SHA256:{43 * 'A'}", unsigned=True), "Several of signers"),
        (Trust(fingerprint="MD5:x"), "no fingerprint"),
        (Trust(signers="/nowhere"), "signers names /nowhere"),
    ],
)
def test_an_operator_says_whose_it_may_be(trust: Trust, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        trust.require_right(NAMES)
