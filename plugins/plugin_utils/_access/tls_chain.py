# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Certificates as they are read and judged on the control node."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.host_names import covers, is_address
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_NAME = re.compile(r"(?:\*\.)?(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.IGNORECASE)


@dataclass(frozen=True)
class Chain:
    """A certificate, followed by those that lead to its authority."""

    certificates: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def pem(self) -> str:
        return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in self.certificates)

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_valid_after_utc

    @property
    def hosts(self) -> tuple[str, ...]:
        """What it is for: names, then addresses."""
        try:
            names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ()
        addresses = names.get_values_for_type(x509.IPAddress)
        return (*map(str.lower, names.get_values_for_type(x509.DNSName)), *map(str, addresses))

    @property
    def words(self) -> tuple[str, ...]:
        """Its description for operators."""
        return (
            f"for {', '.join(self.hosts) or 'no host'}",
            f"issued by {self.leaf.issuer.rfc4514_string()}",
            f"from {self.leaf.not_valid_before_utc:%F} to {self.not_after:%F}",
            f"SHA-256 {self.leaf.fingerprint(SHA256()).hex()}",
        )


def parse(text: bytes, where: str) -> Chain:
    """Read a certificate and its chain.

    Raises
    ------
    EvenkeelError
        ``where`` holds none.
    """
    try:
        return Chain(tuple(x509.load_pem_x509_certificates(text)))
    except ValueError as error:
        raise EvenkeelError(f"{where} holds no certificate in PEM", "Give one, followed by its chain") from error


def parse_key(text: bytes, where: str) -> PrivateKeyTypes:
    """Read a private key.

    Raises
    ------
    EvenkeelError
        ``where`` holds none, or one with a passphrase.
    """
    try:
        return load_pem_private_key(text, password=None)
    except TypeError as error:
        raise EvenkeelError(
            f"The key {where} has a passphrase, which Ansible can't type",
            f"Remove the passphrase with `openssl pkey -in {where} -out plain.pem`, and encrypt it with Ansible Vault",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvenkeelError(f"{where} holds no private key in PEM", "Give the certificate's key, in PEM") from error


def belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether a key belongs to a certificate."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def require_usable(chain: Chain, key: PrivateKeyTypes, hosts: Sequence[str], now: datetime, where: str) -> None:
    """Refuse a certificate that no client would accept.

    Raises
    ------
    EvenkeelError
        It does not match its key, is not valid yet or has expired, does not cover ``hosts``, or its chain is broken.
    """
    leaf = chain.leaf
    if not belong_together(leaf, key):
        others = [number for number, one in enumerate(chain.certificates) if belong_together(one, key)]
        raise EvenkeelError(
            f"The key is not that of the certificate {where}",
            "Put the node's own certificate first, and its chain after it"
            if others
            else "Give a certificate and its own key",
        )
    if leaf.not_valid_before_utc > now:
        raise EvenkeelError(
            f"The certificate {where} is not valid before {leaf.not_valid_before_utc:%F %R} UTC",
            "Wait until then, or check the control node's clock",
        )
    if chain.not_after <= now:
        raise EvenkeelError(
            f"The certificate {where} expired on {chain.not_after:%F %R} UTC", "Have its issuer renew it"
        )
    if lacking := [host for host in hosts if not covers(chain.hosts, host)]:
        raise EvenkeelError(
            f"The certificate {where} is not for {', '.join(lacking)}; it is for {', '.join(chain.hosts) or 'no host'}",
            "Name only what it covers, or get one that covers them",
        )
    for number, (one, issuer) in enumerate(zip(chain.certificates, chain.certificates[1:], strict=False), start=1):
        if not issued_by(one, issuer):
            raise EvenkeelError(
                f"Certificate {number + 1} in {where} is not the issuer of certificate {number}",
                "Put the node's own first, then its issuer's, and so on",
            )


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` signed a certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def host(text: str) -> str:
    """Return a DNS name or an IP address as certificates spell it.

    Raises
    ------
    EvenkeelError
        The text is neither.
    """
    if is_address(text):
        return str(ipaddress.ip_address(text))
    numeric = re.fullmatch(r"[\d.]+", text)
    if numeric or len(text) > 253 or not _NAME.fullmatch(text):
        raise EvenkeelError(
            f"hosts holds {text!r}, which is neither a DNS name nor an IP address",
            "Give names such as gpu1.example.com and addresses such as 192.0.2.7, without a scheme or a port",
        )
    return text.lower()


def alternative_names(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    """Return hosts as a certificate holds them."""
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(one)) if is_address(one) else x509.DNSName(one) for one in hosts]
    )


def ends_within(certificate: x509.Certificate, days: int, now: datetime) -> bool:
    """Return whether fewer than ``days`` are left of a certificate."""
    return certificate.not_valid_after_utc - now < timedelta(days=days)
