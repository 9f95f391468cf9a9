# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority of the lab's own and its mirror's certificate, which no system trusts by default."""

from __future__ import annotations

import shutil
from ipaddress import IPv4Address
from pathlib import Path

from lab import paths, process

#: A name that only the lab's proxy knows.
NAME = "mirror.evenkeel.test"

_REMEDY = "apt-get install openssl"
_DAYS = "3650"


def folder(address: IPv4Address) -> Path:
    """Return where the certificates for a mirror at ``address`` are: ``ca.pem``, ``mirror.pem``, ``mirror.key``."""
    return paths.STATE / "tls" / str(address)


def ensure(address: IPv4Address) -> Path:
    """Make them where they are missing, and return where they are; the caller holds a lock.

    Raises
    ------
    LabError
        openssl is not installed, or failed.
    """
    made = folder(address)
    if made.exists():
        return made
    half_made = made.with_name(f".{made.name}.partial")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(parents=True)
    _openssl(half_made, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Evenkeel lab", *_extensions("CA:TRUE"))
    names = f"subjectAltName=DNS:{NAME},IP:{address}"
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", *_extensions("CA:FALSE"), "-addext", names)
    _openssl(half_made, "-keyout", "mirror.key", "-out", "mirror.pem", "-subj", f"/CN={NAME}", *signed)
    half_made.rename(made)
    return made


def _extensions(constraint: str) -> tuple[str, ...]:
    return ("-addext", f"basicConstraints=critical,{constraint}")


def _openssl(place: Path, *arguments: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    process.run(["openssl", "req", "-x509", *key, "-days", _DAYS, *arguments], remedy=_REMEDY, cwd=place)
