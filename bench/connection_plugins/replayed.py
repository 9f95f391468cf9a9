# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible connection: a host that is not there, and answers as a recorded one did (see bench/answers.py)."""

from __future__ import annotations

import os
import time

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

from bench import answers

DOCUMENTATION = """
name: replayed
short_description: Answer as a recorded host did
description:
  - Starts no process. Used by bench/fleet.py alone.
extends_documentation_fragment:
  - connection_pipelining
options:
  host:
    description: The host's name in the inventory.
    type: str
    vars:
      - name: inventory_hostname
"""


class Connection(ConnectionBase):  # type: ignore[misc]
    """Looks answers up."""

    transport = "replayed"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Return what the recorded host has answered."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        question = answers.Question(cmd, in_data or b"", self.get_option("host"))
        found = answers.find(question)
        if found is None:
            raise AnsibleConnectionFailure(f"The recorded node was not asked {question.name}: {cmd}")
        time.sleep(float(os.environ.get(answers.LATENCY, "0")))
        return (*found, b"")

    def put_file(self, in_path: str, out_path: str) -> None:
        """Take no file: what it would be for is answered without it."""

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Refuse: no file was recorded."""
        raise AnsibleConnectionFailure(f"No file was recorded, and so none is fetched: {in_path}")

    def close(self) -> None:
        """There is nothing to close."""
        self._connected = False
