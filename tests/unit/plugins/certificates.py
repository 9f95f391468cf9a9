# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import tls_authority
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_authority import Authority
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_chain import Chain
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
HOSTS = ("gpu1.example.com", "192.0.2.7")


def authority(now: datetime = NOW) -> Authority:
    return tls_authority.make(now)


def issued(by: Authority, hosts: tuple[str, ...] = HOSTS, now: datetime = NOW) -> tuple[Chain, EllipticCurvePrivateKey]:
    key = generate_private_key(SECP256R1())
    return by.issue(request(key), hosts, now), key


def request(key: EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever the node says")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return asked.public_bytes(Encoding.PEM).decode()


def pem(key: EllipticCurvePrivateKey, passphrase: str = "") -> bytes:
    how: KeySerializationEncryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def days(count: int) -> datetime:
    return NOW + timedelta(days=count)
