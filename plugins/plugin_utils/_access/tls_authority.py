# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Evenkeel's own certificate authority on the control node, which issues the nodes' certificates."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import moved_authority, tls_chain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_chain import Chain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import folders, site_directory
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE, KEY = "ca.pem", "ca-key.pem"
MODES = {KEY: 0o600, CERTIFICATE: 0o644}
#: The longest that Chromium and Safari accept from a public authority.
DAYS = 397

_CA_DAYS = 3650
#: Clocks differ.
_EARLIER = timedelta(hours=1)
#: The reason that the authority gives where a certificate is not its own.
OTHER = "another authority issued it"


@dataclass(frozen=True)
class Authority:
    """Its certificate and its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey | RSAPrivateKey

    def issue(self, request: str, hosts: Sequence[str], now: datetime) -> Chain:
        """Return a certificate for ``hosts`` with the key of a signing request; the rest of the request is ignored.

        Raises
        ------
        EvenkeelError
            The request can't be read, or is not signed with its own key.
        """
        try:
            asked = x509.load_pem_x509_csr(request.encode())
        except ValueError as error:
            raise EvenkeelError(f"The node's signing request can't be read: {error}", "Run it again") from error
        if not asked.is_signature_valid:
            raise EvenkeelError("The node's signing request is not signed with its own key", "Run it again")
        leaf = (
            x509.CertificateBuilder()
            .subject_name(_named(hosts[0]))
            .issuer_name(self.certificate.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(min(now + timedelta(days=DAYS), self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(tls_chain.alternative_names(hosts), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
            .add_extension(_issuer(self.certificate), critical=False)
            .sign(self.key, SHA256())
        )
        return Chain((leaf, self.certificate))


def reasons(
    chain: Chain | None, match: bool, authority: Authority | None, hosts: Sequence[str], renew_days: int, now: datetime
) -> list[str]:
    """Return why a node needs another certificate than ``chain``; none when it doesn't.

    Parameters
    ----------
    match
        Whether the node's key is that of the chain.
    authority
        None for one that is yet to be made.
    """
    if chain is None:
        return ["there is none yet"]
    found = []
    if not match:
        found.append("it does not match its key")
    if authority is None or not tls_chain.issued_by(chain.leaf, authority.certificate):
        found.append(OTHER)
    if set(chain.hosts) != set(hosts):
        found.append(f"it is for {', '.join(chain.hosts) or 'no host'}")
    if tls_chain.ends_within(chain.leaf, renew_days, now):
        found.append(f"it ends on {chain.not_after:%F}")
    return found


def read(
    directory: Path, load: Callable[[Path], bytes], renew_days: int, now: datetime, earlier: Path | None = None
) -> Authority | None:
    """Return the authority in ``directory``, or None when there is none.

    Parameters
    ----------
    earlier
        Where its files may be until they are moved.

    Raises
    ------
    EvenkeelError
        One of its files is missing, it is not an authority, or it ends within ``renew_days``.
    """
    paths = [*moved_authority.standing(directory, earlier, (CERTIFICATE, KEY)).values()]
    there = [path for path in paths if path.exists()]
    if not there:
        return None
    if len(there) == 1:
        lost = next(path for path in paths if path not in there)
        raise EvenkeelError(
            f"{there[0]} is there, but {lost.name} is missing",
            "Restore it; or move the other file away to have a new authority made, which clients must then trust",
        )
    certificate = tls_chain.parse(load(paths[0]), str(paths[0])).leaf
    key = tls_chain.parse_key(load(paths[1]), str(paths[1]))
    remedy = "Restore the right files; or move both away to have a new authority made, which clients must then trust"
    if not tls_chain.belong_together(certificate, key):
        raise EvenkeelError(f"{paths[1]} is not the key of {paths[0]}", remedy)
    if not _is_authority(certificate) or not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise EvenkeelError(f"{paths[0]} is not the certificate of an authority with an EC or RSA key", remedy)
    if tls_chain.ends_within(certificate, renew_days, now):
        raise EvenkeelError(
            f"The authority {paths[0]} ends on {certificate.not_valid_after_utc:%F}, in fewer than {renew_days} days",
            remedy,
        )
    return Authority(certificate, key)


def ensure(directory: Path, load: Callable[[Path], bytes], renew_days: int, now: datetime) -> Authority:
    """Return the authority in ``directory``; the first of Ansible's workers to ask makes it, the others wait.

    Raises
    ------
    EvenkeelError
        See ``read``; or the directory can't be written.
    """
    try:
        site_directory.make(directory, 0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(directory / ".lock", flags, 0o600), "w") as lock:
            os.fchmod(lock.fileno(), 0o600)  # a user who can open it can hold it
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = read(directory, load, renew_days, now)
            if found is None:
                found = make(now)
                write(directory, found)
            return found
    except OSError as error:
        raise _not_kept(directory, error) from error


def require_writable(directory: Path) -> None:
    """Refuse a directory in which ``ensure`` could not keep an authority.

    Raises
    ------
    EvenkeelError
        It can't be written to or made.
    """
    if why := folders.unwritable(directory):
        raise _not_kept(directory, why)


def _not_kept(directory: Path, why: object) -> EvenkeelError:
    return EvenkeelError(
        f"The authority can't be kept in {directory}: {why}", "Name another directory of the control node"
    )


def make(now: datetime) -> Authority:
    """Return a new authority."""
    key = generate_private_key(SECP256R1())
    name = _named("Evenkeel CA")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return Authority(certificate, key)


def write(directory: Path, authority: Authority) -> None:
    """Write an authority's files; a .gitignore keeps its key out of repositories."""
    (directory / ".gitignore").write_text(f"{KEY}\n.lock\n")
    key = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    write_atomically(str(directory / KEY), key, MODES[KEY])
    write_atomically(str(directory / CERTIFICATE), Chain((authority.certificate,)).pem, MODES[CERTIFICATE])


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _issuer(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    with suppress(x509.ExtensionNotFound):
        known = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(certificate.public_key())  # type: ignore[arg-type]


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_authority(certificate: x509.Certificate) -> bool:
    with suppress(x509.ExtensionNotFound):
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    return False
