# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import locks, paths
from lab.upstream import signing_keys
from lab.upstream.signing_keys import Key


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "locks")


def _verify(key: Key, text: str, home: Path) -> str:
    """Return what gpgv says of a signed text, in its own terms."""
    signed = home / "InRelease"
    signed.write_text(text)
    keyring = home / "keyring.gpg"
    keyring.write_bytes(key.public)
    argv = ["gpgv", "--status-fd=1", "--homedir", home, "--keyring", keyring, signed]
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


def test_what_a_key_signs_is_good_by_its_public_half(tmp_path: Path) -> None:
    key = signing_keys.ensure(Key("good"))
    assert "GOODSIG" in _verify(key, signing_keys.clear_sign(key, "Origin: lab\n"), tmp_path)
    assert key.armored.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")


def test_a_key_is_made_once() -> None:
    first = signing_keys.ensure(Key("once")).public
    assert signing_keys.ensure(Key("once")).public == first


def test_an_expired_key_signs_and_is_not_trusted(tmp_path: Path) -> None:
    key = signing_keys.ensure(Key("late", expired=True))
    said = _verify(key, signing_keys.clear_sign(key, "Origin: lab\n"), tmp_path)
    assert "EXPKEYSIG" in said
    assert "GOODSIG" not in said
