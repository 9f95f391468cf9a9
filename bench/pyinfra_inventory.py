# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a benchmark, as pyinfra wants them."""

from __future__ import annotations

import os

from bench import asserted_state
from lab.nodes import nodes, ssh

gpu_nodes = (
    [node.address for node in asserted_state.nodes_of(nodes.find(os.environ[asserted_state.GROUP]))],
    {
        "ssh_user": ssh.USER,
        "ssh_key": str(ssh.KEY),
        "ssh_known_hosts_file": str(ssh.KNOWN_HOSTS),
        "ssh_strict_host_key_checking": "yes",
        "_sudo": True,
    },
)
