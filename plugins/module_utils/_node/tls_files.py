# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A certificate and its key on a node: what is there, a fresh key with a request for it, and both put in place."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept

CERTIFICATE, KEY = "certificate.pem", "key.pem"
#: A key whose certificate is not there yet.
FRESH_KEY = ".key.pem.new"

_MEND = "See what openssl says; it is in the distribution's package openssl"


@dataclass(frozen=True)
class Found:
    """The two files as they are."""

    certificate: Kept | None
    key: Kept | None


def read(directory: str) -> Found:
    """Return what is there."""
    return Found(*(kept_files.read(os.path.join(directory, name)) for name in (CERTIFICATE, KEY)))


def belong_together(certificate: str, key: str) -> bool:
    """Whether the files are there, whole, and a certificate and its key, so that a server can start with them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without an answer to it, OpenSSL would ask for the passphrase of a key that has one.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        return False
    return True


def require_openssl() -> None:
    """Require what makes a key, before it is needed.

    Raises
    ------
    EvenkeelError
        openssl is not there.
    """
    if shutil.which("openssl") is None:
        raise EvenkeelError("The node has no program openssl", "Install the distribution's package openssl")


def plan(found: Found, certificate: str | None, key: str | None) -> list[Change]:
    """Return what changes, the key first; None for a text that stays as it is."""
    current = {KEY: found.key, CERTIFICATE: found.certificate}
    texts = {KEY: key, CERTIFICATE: certificate}
    wanted: dict[str, Kept | None] = {}
    for name, before in current.items():
        text = texts[name] or (before.text if before else None)
        wanted[name] = None if text is None else Kept(text, 0o600 if name == KEY else 0o644)
    return kept_files.plan(current, wanted, {KEY})


def removal(directory: str) -> list[Change]:
    """Return the changes that remove all that is there, a key that an interrupted run has left too."""
    paths = [os.path.join(directory, name) for name in (CERTIFICATE, KEY, FRESH_KEY)]
    return kept_files.plan({path: kept_files.read(path) for path in paths}, dict.fromkeys(paths), paths[1:])


def words(changes: list[Change]) -> Mapping[str, str]:
    """Describe for each file what changes, without its content."""
    described = {}
    for change in changes:
        before, after = change.before, change.after
        if before is None or after is None:
            described[change.path] = "made"
        elif change.of_text:
            described[change.path] = "replaced"
        else:
            described[change.path] = "owner %d, mode %04o -> owner 0, mode %04o" % (before.uid, before.mode, after.mode)
    return described


def request(directory: str, host: str) -> str:
    """Make a key beside the one in use, and return a signing request for it; the key stays on the node.

    Raises
    ------
    EvenkeelError
        openssl is not there, or failed.
    """
    os.makedirs(directory, mode=0o755, exist_ok=True)
    fresh = os.path.join(directory, FRESH_KEY)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    command.require(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", fresh], _MEND
    )
    return command.require(["openssl", "req", "-new", "-key", fresh, "-subj", "/CN=%s" % host[:64]], _MEND)


def install(directory: str, certificate: str, key: str | None, *, check_mode: bool) -> list[Change]:
    """Put a certificate and its key in place, and return what changed; without a key, the fresh one goes with it.

    Raises
    ------
    EvenkeelError
        There is no fresh key, or a file can't be written.
    """
    found = read(directory)
    fresh = os.path.join(directory, FRESH_KEY)
    if key is None:
        made = kept_files.read(fresh)
        if made is None:
            raise EvenkeelError("%s is gone" % fresh, "Run again")
        key = made.text
    changes = plan(found, certificate, key)
    if not check_mode:
        apply(directory, changes)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
    return changes


def apply(directory: str, changes: list[Change]) -> None:
    """Make the changes."""
    for change in changes:
        kept_files.apply(replace(change, path=os.path.join(directory, change.path)))


def first_of(text: str) -> bytes:
    """Return the first certificate of a file in PEM, as DER; nothing where there is none."""
    _unused, begin, rest = text.partition("-----BEGIN CERTIFICATE-----")
    body, end, _unused = rest.partition("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(begin + body + end) if begin and end else b""
