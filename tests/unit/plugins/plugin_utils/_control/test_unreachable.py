# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.unreachable import why_of_any

VIA = "Task failed: Failed to connect to the host via ssh: "
SSH = 'Task failed: Data could not be sent to remote host "gpu1". Make sure this host can be reached over ssh: '


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("no route", "no route"),
        ("Task failed: timed out", "timed out"),
        (
            f"{SSH}ssh: connect to host 127.0.0.1 port 1: Connection refused",
            "ssh: connect to host port 1: Connection refused",
        ),
        (
            f"{SSH}ssh: Could not resolve hostname gpu01.example.org: Name or service not known",
            "ssh: Could not resolve hostname: Name or service not known",
        ),
        (
            "Failed to connect to the host via ssh: ssh: connect to host fe80::1 port 22: No route to host",
            "ssh: connect to host port 22: No route to host",
        ),
        (f"{VIA}For staff only\r\nops@gpu1: Permission denied (publickey).\r", "ops: Permission denied (publickey)."),
        (f"{VIA}@@@@@\r\n@ WARNING @\r\nHost key verification failed.", "Host key verification failed."),
        (f"{VIA}Connection closed by 10.0.0.1 port 22", "Connection closed by port 22"),
        (f"{VIA}Shared connection to gpu1 closed.", "Shared connection to closed."),
        (f"{VIA}Connection to gpu1 closed.", "Connection to closed."),
        (f"{VIA}kex: Connection closed by remote host", "kex: Connection closed by remote host"),
        (f"{VIA}kex: read: Connection reset by peer", "kex: read: Connection reset by peer"),
        (f"{SSH}", 'Data could not be sent to remote host. Make sure this host can be reached over ssh:'),
        ("", ""),
    ],
)  # fmt: skip
def test_nodes_with_one_reason_have_one_text(message: str, reason: str) -> None:
    assert why_of_any(message) == reason
