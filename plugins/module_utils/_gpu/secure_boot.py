# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The key that signs the modules built on the node, where Secure Boot refuses unsigned ones."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_SUBJECT = "/CN=DKMS module signing key/"
_DAYS = "36500"
#: What mokutil prints about a key.
#: A setting of DKMS.
_SETTING = re.compile(r"^\s*(mok_signing_key|mok_certificate)=[\"']?([^\"'\s]+)", re.MULTILINE)
_ENROLLED, _WAITS = "already enrolled", "already in the enrollment request"


@dataclass(frozen=True)
class Key:
    """A machine owner key; paths of the certificate, in DER, and of the private key."""

    certificate: str
    private: str


#: Where DKMS looks for its key on Ubuntu, and on all other distributions.
UBUNTU = Key("/var/lib/shim-signed/mok/MOK.der", "/var/lib/shim-signed/mok/MOK.priv")
OTHERS = Key("/var/lib/dkms/mok.pub", "/var/lib/dkms/mok.key")
#: A key that is no file.
_TOKEN = "pkcs11:"  # noqa: S105  # a form of names, not a secret


def key_of_node(system: Sysroot) -> Key:
    """Return where the node's key is or would be: where DKMS is configured to look, or looks by default.

    Source: ``prepare_mok`` of dkms, https://github.com/dkms-project/dkms/blob/main/dkms.in.
    """
    folder = "/etc/dkms/framework.conf.d"
    names = (os.path.join(folder, name) for name in sorted(system.names(folder)) if name.endswith(".conf"))
    texts = [system.text(path) for path in ("/etc/dkms/framework.conf", *names) if system.exists(path)]
    configured: dict[str, str] = dict(_SETTING.findall("\n".join(texts)))
    if "mok_signing_key" in configured:
        return Key(configured.get("mok_certificate", OTHERS.certificate), configured["mok_signing_key"])
    if re.search(r"^ID=\"?ubuntu", system.text("/etc/os-release"), re.MULTILINE):
        return UBUNTU
    return Key(configured.get("mok_certificate", OTHERS.certificate), OTHERS.private)


def require_enrolled(key: Key, *, make: bool) -> None:
    """Refuse a node whose firmware does not trust the key.

    Parameters
    ----------
    make
        Whether a key may be made where there is none.

    Raises
    ------
    EvenkeelError
        The key is not enrolled; the message says how to enrol it.
    """
    if not os.path.exists(key.certificate) and make and not key.private.startswith(_TOKEN):
        _make(key)
    answer = command.run(["mokutil", "--test-key", key.certificate]).said if os.path.exists(key.certificate) else ""
    if _ENROLLED in answer:
        return
    raise EvenkeelError(
        "Secure Boot is on, and the firmware does not know the key that the driver's module is signed with",
        "The installed driver was not changed. %s" % way_to_enrol(key, answer),
    )


def way_to_enrol(key: Key, answer: str) -> str:
    """Return how to enrol a key, by the answer of ``mokutil --test-key``."""
    at_console = "reboot, and at the console choose Enroll MOK and give the password; then run again"
    if _WAITS in answer:
        return "The key waits to be enrolled: %s" % at_console
    return (
        "Enrol the key once: run `mokutil --import %s` on the node and choose a password, %s."
        " Or use a driver with modules that the distribution has signed, as Ubuntu does: set nvidia_driver_source of"
        " the role to distribution" % (key.certificate, at_console)
    )


def _make(key: Key) -> None:
    """Create a certificate, and a key where there is none; the certificate comes last, so it always has its key."""
    os.makedirs(os.path.dirname(key.private), mode=0o755, exist_ok=True)
    fresh = Key(key.certificate + ".new", key.private + ".new")
    keep = os.path.exists(key.private)
    # Without an answer to it, openssl would ask for the passphrase of a key that has one.
    of_key = ["-key", key.private, "-passin", "pass:"] if keep else ["-newkey", "rsa:2048", "-nodes"]
    argv = ["openssl", "req", "-new", "-x509", *of_key, "-days", _DAYS, "-subj", _SUBJECT]
    argv += ["-addext", "extendedKeyUsage=codeSigning,1.3.6.1.4.1.2312.16.1.2"]
    mask = os.umask(0o077)
    try:
        command.require(
            [*argv, "-outform", "DER", *([] if keep else ["-keyout", fresh.private]), "-out", fresh.certificate],
            "Fix the error that openssl reports, then run again",
        )
    finally:
        os.umask(mask)
    os.chmod(fresh.certificate, 0o644)
    if not keep:
        os.replace(fresh.private, key.private)
    os.replace(fresh.certificate, key.certificate)
