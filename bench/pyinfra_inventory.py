# SPDX-License-Identifier: GPL-3.0-or-later
"""The one node of the benchmark, as pyinfra wants it."""

from __future__ import annotations

import os

from lab.nodes import nodes, ssh

NODE = next(node for node in nodes.find("demo") if node.name == os.environ["EVENKEEL_BENCH_NODE"])

gpu_nodes = (
    [NODE.address],
    {
        "ssh_user": ssh.USER,
        "ssh_key": str(ssh.KEY),
        "ssh_known_hosts_file": str(ssh.KNOWN_HOSTS),
        "ssh_strict_host_key_checking": "yes",
        "_sudo": True,
    },
)
