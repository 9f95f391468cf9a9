# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes use after the role mirror has passed over the broken ones of a list."""

from __future__ import annotations

from testinfra.host import Host


def test_every_node_uses_the_one_that_is_healthy(host: Host) -> None:
    mirror = host.ansible.get_variables()["lab_mirror_url"]
    condarc = host.file("/etc/conda/condarc.d/evenkeel.yml").content_string
    urls = [line.split()[-1] for line in condarc.splitlines() if "://" in line]
    assert urls == [f"{mirror}/anaconda/pkgs/main", f"{mirror}/anaconda/pkgs/r"]
