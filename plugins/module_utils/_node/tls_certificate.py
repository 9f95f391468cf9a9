# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module tls_certificate: a certificate for TLS, and its key."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, tls_files

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "certificate": {"type": "path"},
    "key": {"type": "path", "no_log": False},
    "ca_directory": {"type": "path"},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "renew_days": {"type": "int", "default": 30},
}
#: Whether to make a key and a signing request; or the certificate with its chain to put in place, in PEM, and its key,
#: which is the one of the signing request when not given.
FROM_ACTION: dict[str, Any] = {
    "request": {"type": "bool", "default": False},
    "install": {"type": "dict", "options": {"certificate": {"type": "str", "required": True}, "key": {"type": "str"}}},
}


def secrets(params: dict[str, Any]) -> list[str]:
    """Return the key that is to be put in place."""
    key = (params["install"] or {}).get("key")
    return [key] if key else []


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what the action asks for; otherwise correct owners and modes, and return what is there.

    Raises
    ------
    EvenkeelError
        A file can't be written; or openssl is not there, which makes the key of a certificate that is issued.
    """
    directory, wish = params["directory"], params["install"]
    if params["state"] == "absent":
        return remove(directory, check_mode)
    if params["request"]:
        return {"changed": False, "request": tls_files.request(directory, params["hosts"][0])}
    certificate, key = (os.path.join(directory, name) for name in (tls_files.CERTIFICATE, tls_files.KEY))
    found = tls_files.read(directory)
    if wish:
        changes = tls_files.install(directory, wish["certificate"], wish["key"], check_mode=check_mode)
    else:
        tls_files.require_openssl()
        changes = tls_files.plan(found, None, None)
        if not check_mode:
            tls_files.apply(directory, changes)
    return {
        "changed": bool(changes),
        "certificate": certificate,
        "key": key,
        "hosts": params["hosts"],
        "files": tls_files.words(changes),
        "found": found.certificate.text if found.certificate else "",
        **({} if wish else {"match": tls_files.belong_together(certificate, key)}),
    }


def remove(directory: str, check_mode: bool) -> dict[str, Any]:
    """Have neither certificate nor key."""
    changes = tls_files.removal(directory)
    if not check_mode:
        kept_files.apply_all(changes)
        with contextlib.suppress(OSError):  # others have put something into it
            os.rmdir(directory)
    return {"changed": bool(changes), "diff": [change.diff() for change in changes]}
