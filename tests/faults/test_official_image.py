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
#: What Debian's and Ubuntu's images have for containers; mmdebstrap would remove the first one.
SETTINGS = {
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "etc/apt/apt.conf.d/docker-clean": 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n'
    'Dir::Cache::pkgcache "";\n',
    "etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[nodes.Node]:
    image.bootstrap("bookworm", tmp_path / "root.tar", ("apt",), (), "", lambda _said: None)
    for path, text in SETTINGS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    (tmp_path / "Containerfile").write_text("FROM scratch\nADD root.tar /\nCOPY usr /usr\nCOPY etc /etc\n")
    podman.run("build", "--quiet", f"--label={podman.LABEL}=_image", f"--tag={BARE}", str(tmp_path))
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
