# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's key pair and its list of host keys."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping

from lab import files, locks, paths, process

USER = "ops"
KEY = paths.STATE / "ssh" / "id_ed25519"
KNOWN_HOSTS = paths.STATE / "known_hosts"


def public_key() -> str:
    """Return the lab's public key; the pair is made on first use."""
    public = KEY.with_suffix(".pub")
    with locks.held("ssh-key"):
        if not public.exists():
            KEY.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = KEY.with_name(f"fresh-{os.getpid()}")
            process.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "evenkeel-lab", "-f", fresh],
                mend=f"is {KEY.parent} writable?",
            )
            fresh.replace(KEY)
            fresh.with_suffix(".pub").replace(public)
    return public.read_text().strip()


def options() -> list[str]:
    """Return the ssh options with which a node is reached: the lab's key, and only host keys the lab has seen."""
    settings = {
        "UserKnownHostsFile": f'"{KNOWN_HOSTS}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
    }
    return [f"-o {shlex.quote(f'{name}={value}')}" for name, value in settings.items()]


def answers(address: str) -> bool:
    """Tell whether the node at ``address`` lets the lab's user in and run a command."""
    argv = ["ssh", *shlex.split(" ".join(options())), "-i", str(KEY), "-o", "ControlPath=none", "-o", "BatchMode=yes"]
    argv += ["-o", "ConnectTimeout=5", f"{USER}@{address}", "true"]
    return subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def remember(host_keys: Mapping[str, str], *, forget: Iterable[str] = ()) -> None:
    """Note the host key of each address, instead of what was known of it, and drop the addresses in ``forget``."""
    with locks.held("known_hosts"):
        known = KNOWN_HOSTS.read_text() if KNOWN_HOSTS.exists() else ""
        files.replace_text(KNOWN_HOSTS, merge(known, host_keys, set(forget)))


def merge(known: str, host_keys: Mapping[str, str], forget: set[str]) -> str:
    """Return the lines of ``known`` without the addresses of ``forget``, and with ``host_keys`` in place."""
    kept = [line for line in known.splitlines() if line.split(" ")[0] not in {*host_keys, *forget}]
    fresh = [f"{address} {' '.join(key.split()[:2])}" for address, key in host_keys.items()]
    return "".join(f"{line}\n" for line in [*kept, *fresh])
