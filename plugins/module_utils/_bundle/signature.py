# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Signatures of SSH keys, made and verified by ssh-keygen."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import ENVIRONMENT, Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: What a signature is for: one for something else, such as a commit, does not count.
NAMESPACE = "evenkeel-bundle"
_SECONDS = 120
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_KEY_OF = re.compile(r"Good \"%s\" signature with \S+ key (SHA256:\S+)" % NAMESPACE)
_INSTALL = (
    "Install it: it is in the package openssh-client of Debian and Ubuntu, and in openssh and openssh-clients of "
    "Enterprise Linux"
)


@dataclass(frozen=True)
class Trust:
    """Whose bundles are taken.

    Parameters
    ----------
    signers
        A file of allowed signers, as ssh-keygen(1) describes it; empty where a fingerprint is given.
    fingerprint
        Of the one key that counts, such as ``SHA256:...``.
    unsigned
        Whether no signature is asked for.
    """

    signers: str = ""
    fingerprint: str = ""
    unsigned: bool = False

    def require_right(self, names: Sequence[str]) -> None:
        """Refuse what names nobody, several ways at once, or something that is no fingerprint or no file.

        Parameters
        ----------
        names
            How the operator calls signers, fingerprint and unsigned.
        """
        given = [bool(self.signers), bool(self.fingerprint), self.unsigned].count(True)
        if given != 1:
            raise EvenkeelError(
                "%s of %s say whose bundle it may be" % ("None" if not given else "Several", ", ".join(names)),
                "Name the file of allowed signers by %s, or the fingerprint of the key by %s" % tuple(names[:2]),
            )
        if self.fingerprint and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise EvenkeelError(
                "%s is %r, which is no fingerprint" % (names[1], self.fingerprint),
                "Take what `ssh-keygen -l -f KEY.pub` prints on the machine that signs, from SHA256: on",
            )
        if self.signers and not os.path.isfile(self.signers):
            raise EvenkeelError(
                "%s names %s, and there is no such file" % (names[0], self.signers),
                'Write it: a line for each signer, such as `ana@site.example namespaces="%s" ssh-ed25519 AAAA...`'
                % NAMESPACE,
            )


def sign(content: bytes, key: str) -> bytes:
    """Return the signature of a content.

    Parameters
    ----------
    key
        The path of a private key without a passphrase, or of a public key whose private one an agent has.

    Raises
    ------
    EvenkeelError
        There is no ssh-keygen, or it can't sign with this key.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "content")
        with open(path, "wb") as stream:
            stream.write(content)
        done = _ssh_keygen("-Y", "sign", "-f", key, "-n", NAMESPACE, path)
        if done.status != 0:
            raise EvenkeelError(
                "The bundle can't be signed with %s: %s" % (key, done.last_words(2)),
                "Name a private key without a passphrase, or a public key whose private one ssh-agent has",
            )
        with open(path + ".sig", "rb") as stream:
            return stream.read()


def verify(content: bytes, signature: bytes, trust: Trust, what: str) -> str:
    """Return who has signed a content: the name in the file of allowed signers, or the fingerprint.

    Raises
    ------
    EvenkeelError
        The signature is wrong or somebody else's, or there is no ssh-keygen.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "signature")
        with open(path, "wb") as stream:
            stream.write(signature)
        key = fingerprint(content, signature, what)
        if trust.fingerprint:
            if key != trust.fingerprint:
                raise _unknown(what, key, "not by the one with the fingerprint %s" % trust.fingerprint)
            return key
        found = _ssh_keygen("-Y", "find-principals", "-f", trust.signers, "-s", path)
        names = found.output.split("\n") if found.status == 0 else []
        for name in filter(None, names):
            verified = _ssh_keygen(
                *("-Y", "verify", "-f", trust.signers, "-I", name, "-n", NAMESPACE, "-s", path), given=content
            )
            if verified.status == 0:
                return name
        raise _unknown(what, key, "which %s does not allow" % trust.signers)


def fingerprint(content: bytes, signature: bytes, what: str) -> str:
    """Return the fingerprint of the key that has signed a content.

    Raises
    ------
    EvenkeelError
        The signature is wrong, or there is no ssh-keygen.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "signature")
        with open(path, "wb") as stream:
            stream.write(signature)
        done = _ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", path, given=content)
    key = _KEY_OF.search(done.said)
    if done.status != 0 or not key:
        raise EvenkeelError(
            "The signature of %s is wrong: %s" % (what, done.last_words(2)),
            "Copy the bundle anew. If it is wrong again, somebody may have changed it: ask the people who made it",
        )
    return key[1]


def _unknown(what: str, key: str, why: str) -> EvenkeelError:
    return EvenkeelError(
        "%s is signed by the key %s, %s" % (what, key, why),
        "Ask the people who make bundles which key is theirs, and compare the fingerprint; if it is this one, allow it "
        "for the namespace %s" % NAMESPACE,
    )


def _ssh_keygen(*arguments: str, given: bytes = b"") -> Done:
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments],
            check=False,
            input=given,
            capture_output=True,
            timeout=_SECONDS,
            env={**os.environ, **ENVIRONMENT, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"},
            start_new_session=True,  # without a terminal, it asks nobody for a passphrase
        )
    except FileNotFoundError:
        raise EvenkeelError("There is no ssh-keygen here, which makes and verifies signatures", _INSTALL) from None
    except subprocess.TimeoutExpired:
        raise EvenkeelError(
            "ssh-keygen did not end within %d seconds" % _SECONDS, "Find out what it waits for, such as a hardware key"
        ) from None
    return Done(done.returncode, *(text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)))
