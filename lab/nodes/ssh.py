# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's key pair and its list of host keys."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab import files, locks, paths, process

USER = "ops"
KEY = paths.STATE / "ssh" / "id_ed25519"
KNOWN_HOSTS = paths.STATE / "known_hosts"


@dataclass(frozen=True)
class HostKey:
    """What a node's SSH server proves itself with."""

    node: str
    address: str
    public: str


def public_key() -> str:
    """Return the lab's public key; the pair is made on first use."""
    public = KEY.with_suffix(".pub")
    with locks.held("ssh-key"):
        if not public.exists():
            KEY.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = KEY.with_name(f"fresh-{os.getpid()}")
            process.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "evenkeel-lab", "-f", fresh],
                remedy=f"is {KEY.parent} writable?",
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


def command(address: str, *extra: str, remote: Sequence[str] = (), user: str = USER) -> list[str]:
    """Return the command that reaches the node at ``address``, with ``extra`` options, to run ``remote`` there."""
    argv = ["ssh", *shlex.split(" ".join(options())), "-i", str(KEY), "-o", "ControlPath=none", "-o", "BatchMode=yes"]
    return [*argv, "-o", "ConnectTimeout=5", *extra, f"{user}@{address}", *remote]


def answers(address: str) -> bool:
    """Return whether the node at ``address`` lets the lab's user in and run a command."""
    argv = command(address, remote=("true",))
    return subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def remember(host_keys: Iterable[HostKey], *, forget: Iterable[str] = ()) -> None:
    """Note these host keys instead of what was known of their nodes and addresses, and drop the nodes in ``forget``."""
    with locks.held("known_hosts"):
        known = KNOWN_HOSTS.read_text() if KNOWN_HOSTS.exists() else ""
        files.replace_text(KNOWN_HOSTS, merge(known, list(host_keys), set(forget)))


def merge(known: str, host_keys: Sequence[HostKey], forget: set[str]) -> str:
    """Return the text of a known-hosts file, each line ``address type key node``, brought up to date."""
    stale = forget | {key.node for key in host_keys} | {key.address for key in host_keys}
    kept = [line for line in known.splitlines() if stale.isdisjoint({line.split(" ")[0], line.split(" ")[-1]})]
    fresh = [f"{key.address} {' '.join(key.public.split()[:2])} {key.node}" for key in host_keys]
    return "".join(f"{line}\n" for line in [*kept, *fresh])
