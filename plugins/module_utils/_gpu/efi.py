# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Secure Boot, and the certificates that the firmware and the shim trust."""

from __future__ import annotations

import hashlib
import re
import struct
import uuid

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_EFI = "/sys/firmware/efi"
_VARIABLES = _EFI + "/efivars"
_MOK_VARIABLES = _EFI + "/mok-variables"
#: efivarfs puts four bytes of attributes before a variable's value.
_ATTRIBUTES = 4
_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
_LIST = struct.Struct("<16sIII")
_OWNER = 16
_LOCKED = ("integrity", "confidentiality")


def secure_boot(system: Sysroot) -> bool | None:
    """Return whether the kernel loads signed modules only; None where there is no EFI, or where it can't be read.

    The shim can be configured not to insist; then the kernel does not either. Where EFI's variables are not mounted,
    a kernel in lockdown shows the same.
    """
    if not _variable(system, "SecureBoot"):
        return True if system.exists(_EFI) and lockdown(system) in _LOCKED else None
    return _variable(system, "SecureBoot")[-1:] == b"\1" and _variable(system, "MokSBStateRT")[-1:] != b"\1"


def enrolled(system: Sysroot) -> list[str]:
    """Return the SHA-1 fingerprints, as mokutil shows them, of the certificates that may have signed a module."""
    mok = system.binary(_MOK_VARIABLES + "/MokListRT") or _variable(system, "MokListRT")
    return sorted({fingerprint(one) for lists in (mok, _variable(system, "db")) for one in certificates(lists)})


def certificates(lists: bytes) -> list[bytes]:
    """Return the X.509 certificates, in DER, out of EFI signature lists; what is cut short ends them."""
    found = []
    start = 0
    while start + _LIST.size <= len(lists):
        kind, size, header, each = _LIST.unpack_from(lists, start)
        if size < _LIST.size or start + size > len(lists) or each <= _OWNER:
            break
        if kind == _X509:
            first = start + _LIST.size + header
            found += [lists[at + _OWNER : at + each] for at in range(first, start + size - each + 1, each)]
        start += size
    return found


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-1 of a certificate in DER, in hexadecimal."""
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()


def lockdown(system: Sysroot) -> str:
    """Return the kernel's lockdown mode, or an empty string where it is not known."""
    found = re.search(r"\[(\w+)\]", system.text("/sys/kernel/security/lockdown"))
    return found.group(1) if found else ""


def _variable(system: Sysroot, name: str) -> bytes:
    for found in system.names(_VARIABLES, re.escape(name) + "-[0-9a-fA-F]"):
        return system.binary("%s/%s" % (_VARIABLES, found))[_ATTRIBUTES:]
    return b""
