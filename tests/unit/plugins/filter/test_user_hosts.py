# SPDX-License-Identifier: GPL-3.0-or-later
"""The host names of users as roles ask for them."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.filter import user_hosts


def test_every_user_has_a_host_below_every_domain() -> None:
    hosts = user_hosts.user_hosts(iter(["ana", "Bo@corp"]), iter(["gpu1.example.com", "gpu1.users.test"]))
    assert hosts == [
        "ana.gpu1.example.com",
        "ana.gpu1.users.test",
        "bo-corp-b03d35e106e96cfc.gpu1.example.com",
        "bo-corp-b03d35e106e96cfc.gpu1.users.test",
    ]
