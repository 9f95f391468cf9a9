# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes that are out of root's reach: those that hang, and those that belong to a directory service."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from lab import wait
from lab.people import directory_service, hanging_file_system
from tests.faults.conftest import Node

#: A Python whose root reads and writes no more than the permissions of files let it, as on NFS with root_squash.
SQUASHED = "/usr/local/bin/python-squashed"
_WITHOUT = "--inh-caps=-dac_override,-dac_read_search --bounding-set=-dac_override,-dac_read_search"


@contextmanager
def people(node: Node, users: Iterable[str], directory: Mapping[str, int], hangs: str = "") -> Iterator[None]:
    """Have users of the node's own and of its directory service, and one of the former whose home hangs."""
    local = list(users)
    try:
        for user in local:
            node.host.check_output(f"useradd --create-home {user}")
        node.host.check_output(directory_service.join(directory))
        put(node, SQUASHED, f'#!/bin/sh\nexec setpriv {_WITHOUT} /usr/bin/python3 "$@"\n'.encode())
        node.host.check_output(f"chmod 755 {SQUASHED}")
        with hanging(node, hangs) if hangs else nullcontext():
            yield
    finally:
        node.host.run(directory_service.leave())
        for user in (*local, *directory):
            node.host.run(f"userdel {user}; rm -rf /home/{user}")
        node.host.run(f"rm {SQUASHED}")


@contextmanager
def hanging(node: Node, user: str) -> Iterator[None]:
    """Have a user's home answer nothing, as one on a file server that is gone."""
    try:
        put(node, "/run/hangs.py", Path(hanging_file_system.__file__).read_bytes())
        node.host.check_output(f"systemd-run --unit=hangs python3 /run/hangs.py /home/{user} $(id --user {user})")
        wait.until(
            lambda: node.host.run("grep '^hangs ' /proc/mounts").rc == 0,
            "it hangs",
            "systemctl status hangs",
            seconds=30,
        )
        yield
    finally:
        node.host.run(f"systemctl stop hangs; umount --lazy /home/{user}")


def put(node: Node, path: str, content: bytes, owner: str = "root") -> None:
    """Write a file, whatever is in it, with its owner's rights."""
    encoded = base64.b64encode(content).decode()
    node.host.check_output(f"printf %s {encoded} | base64 --decode | sudo -u {owner} tee {path} >/dev/null")
