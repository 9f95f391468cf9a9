# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that a node knows from its name service alone, as those of LDAP or SSSD, without any server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import process

SOURCE = Path(__file__).with_name("directory_service.c")
_FOLDER = "/etc/directory"
_LIBRARY = "$(dirname $(ldconfig -p | sed --quiet 's/.*libc.so.6.*=> //p' | head --lines=1))/libnss_directory.so.2"


def join(accounts: Mapping[str, int]) -> str:
    """Return the shell command that has a node know accounts, by their numbers, with homes that are made if missing."""
    lines = [f"{name}:x:{number}:{number}::/home/{name}:/bin/bash" for name, number in accounts.items()]
    groups = [f"{name}:x:{number}:" for name, number in accounts.items()]
    homes = [f"install -d --owner={name} --group={name} --mode=0700 /home/{name}" for name in accounts]
    return " && ".join(
        [
            f"printf %s {base64.b64encode(_library()).decode()} | base64 --decode >{_LIBRARY}",
            f"mkdir -p {_FOLDER}",
            f"printf '%s\\n' {' '.join(lines)} >{_FOLDER}/passwd",
            f"printf '%s\\n' {' '.join(groups)} >{_FOLDER}/group",
            r"sed --in-place --regexp-extended '/directory/! s/^(passwd|group):.*/& directory/' /etc/nsswitch.conf",
            *homes,
        ]
    )


def leave() -> str:
    """Return the shell command after which a node knows its own accounts alone."""
    return f"sed --in-place 's/ directory$//' /etc/nsswitch.conf && rm --recursive --force {_FOLDER} {_LIBRARY}"


def _library() -> bytes:
    with TemporaryDirectory() as folder:
        built = Path(folder, "library")
        argv = ["cc", "-shared", "-fPIC", "-Os", "-s", "-Wall", "-Werror", "-o", str(built), str(SOURCE)]
        process.run(argv, remedy="see lab/debian-packages.txt")
        return built.read_bytes()
