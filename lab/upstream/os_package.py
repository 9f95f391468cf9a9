# SPDX-License-Identifier: GPL-3.0-or-later
"""What a package of an operating system consists of, whether it is written as a .deb or as an .rpm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OsPackage:
    """One binary package.

    Parameters
    ----------
    version
        The whole version as the format writes it: ``580.178.04-1``, ``3:580.178.04-1.el9``.
    architecture
        ``amd64``, ``all``, ``x86_64`` or ``noarch``.
    depends, provides, conflicts, replaces
        As the format writes them; ``replaces`` are an RPM's ``Obsoletes``.
    files
        Path, without the first slash, to content; what begins with ``#!`` is a program. What is below ``etc`` is
        configuration, which an upgrade leaves to the machine's owner.
    links
        Path to target.
    scripts
        What the package manager runs: ``postinst``, ``prerm``, ...; ``post``, ``preun``, ...
    source
        The source package it is made of, where that has another name.
    """

    name: str
    version: str
    architecture: str
    summary: str
    section: str = "non-free/libs"
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


def content(value: str | bytes) -> tuple[bytes, int]:
    """Return a file's bytes and its mode."""
    data = value.encode() if isinstance(value, str) else value
    return data, 0o755 if data.startswith(b"#!") else 0o644
