# SPDX-License-Identifier: GPL-3.0-or-later
"""A node on an image that is as bare as a distribution's official one, and has its settings for containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.progress import Progress

from lab import process
from lab.images import image, official
from lab.nodes import nodes, podman, ssh

pytestmark = pytest.mark.long

GROUP, BARE = "faults-official", "localhost/evenkeel/bare:1"
#: Run by mmdebstrap with the tree as $1: what Debian's and Ubuntu's images have for containers.
SETTINGS = """#!/bin/sh
set -eu
printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d"
chmod 0755 "$1/usr/sbin/policy-rc.d"
printf 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\\nDir::Cache::pkgcache "";\\n' \\
    >"$1/etc/apt/apt.conf.d/docker-clean"
printf 'Acquire::Languages "none";\\n' >"$1/etc/apt/apt.conf.d/docker-no-languages"
printf 'force-unsafe-io\\n' >"$1/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[nodes.Node]:
    settings, tar = tmp_path / "settings.sh", tmp_path / "root.tar"
    settings.write_text(SETTINGS)
    image.bootstrap("bookworm", tar, ("apt",), [settings], "", lambda _said: None)
    podman.run("import", "--quiet", f"--change=LABEL {podman.LABEL}=_image", str(tar), BARE)
    monkeypatch.setenv(official.VARIABLE, f"debian12={BARE}")
    try:
        with Progress(disable=True) as progress:
            yield from nodes.up(GROUP, ["debian12"], progress, fresh=True)
    finally:
        nodes.down(GROUP)
        for name in (image.name_of("debian12"), BARE):
            podman.succeeds("image", "rm", name)


def test_a_node_of_it_boots_without_a_failed_unit_and_takes_orders(node: nodes.Node) -> None:
    def said(command: str) -> str:
        return process.run(ssh.command(node.address, remote=(command,)), remedy="").strip()

    assert said("systemctl is-system-running") == "running"
    assert said("sudo id --user; id --user --name") == "0\nops"
    assert said("ls /usr/sbin/policy-rc.d /etc/apt/sources.list.d/* 2>/dev/null || echo none") == "none"
    assert said("python3 -c 'import apt; print(apt.__name__)'; fish --version | cut -d, -f1; zsh -c 'echo zsh'") == (
        "apt\nfish\nzsh"
    )
