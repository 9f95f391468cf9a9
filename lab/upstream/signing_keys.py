# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP keys of the lab's repositories, made once, and what is signed with them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import locks, paths, process

_REMEDY = "apt-get install gpg gpg-agent"
_EXPIRED_ON = "20200601T000000"


@dataclass(frozen=True)
class Key:
    """A key of the lab, ``expired`` for one whose time is over.

    Its files are ``public.gpg`` and, in ASCII armour, ``public.asc``.
    """

    name: str
    expired: bool = False

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return paths.STATE / "signing" / self.name

    @property
    def user(self) -> str:
        """The name that it has been made for."""
        return f"Evenkeel lab {self.name} <{self.name}@evenkeel.test>"

    @property
    def public(self) -> bytes:
        """The public key, as keyrings hold it."""
        return (self.folder / "public.gpg").read_bytes()

    @property
    def armored(self) -> str:
        """The public key as text."""
        return (self.folder / "public.asc").read_text()


def ensure(key: Key) -> Key:
    """Make ``key`` where it is missing.

    Raises
    ------
    LabError
        gpg is not installed, or failed.
    """
    with locks.held("signing-keys"):
        if not key.folder.exists():
            half_made = key.folder.with_name(f".{key.name}.partial")
            shutil.rmtree(half_made, ignore_errors=True)
            half_made.mkdir(parents=True, mode=0o700)
            with _home() as home:
                expires = "1y" if key.expired else "never"
                _gpg(home, key, "--passphrase", "", "--quick-generate-key", key.user, "rsa3072", "sign", expires)
                _gpg(home, key, "--output", half_made / "public.gpg", "--export")
                _gpg(home, key, "--armor", "--output", half_made / "public.asc", "--export")
                _gpg(home, key, "--output", half_made / "secret.gpg", "--export-secret-keys")
            half_made.rename(key.folder)
    return key


def clear_sign(key: Key, text: str) -> str:
    """Return ``text`` with a signature around it."""
    with home_of(key) as home:
        return _gpg(home, key, "--clear-sign", "--output", "-", stdin=text)


def sign(key: Key, text: str) -> str:
    """Return a signature of ``text``, apart from it."""
    with home_of(key) as home:
        return _gpg(home, key, "--armor", "--detach-sign", "--output", "-", stdin=text)


@contextmanager
def home_of(key: Key) -> Iterator[Path]:
    """Return a folder in which gpg has ``key``, as long as it is needed."""
    with _home() as home:
        _gpg(home, key, "--import", ensure(key).folder / "secret.gpg")
        yield home


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evenkeel-gpg-") as folder:
        try:
            yield Path(folder)
        finally:  # the agent that gpg has started
            process.run(["gpgconf", "--homedir", folder, "--kill", "all"], remedy=_REMEDY)


def _gpg(home: Path, key: Key, *arguments: str | Path, stdin: str | None = None) -> str:
    then = ("--faked-system-time", f"{_EXPIRED_ON}!") if key.expired else ()
    argv = ["gpg", "--homedir", home, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", *then, *arguments]
    return process.run(argv, remedy=_REMEDY, stdin=stdin)
