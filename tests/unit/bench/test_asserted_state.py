# SPDX-License-Identifier: GPL-3.0-or-later
"""What pyinfra is given to assert."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench import asserted_state
from lab.nodes.nodes import Node

SITE = "https://repo.example"
PACKAGES = [
    {"manager": "conda", "platform": "linux-64", "url": f"{SITE}/linux-64/a-1-0.conda", "hash": {"md5": "1" * 32}},
    {"manager": "conda", "platform": "linux-aarch64", "url": f"{SITE}/linux-aarch64/a-1-0.conda", "hash": {}},
    {"manager": "pip", "platform": "linux-64", "url": f"{SITE}/b.whl", "hash": {"sha256": "2"}},
]
LISTED = f"@EXPLICIT\nhttp://near/linux-64/a-1-0.conda#{'1' * 32}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "links").write_text("/opt/miniconda3 /opt/m\n")
    (tmp_path / "lock.yml").write_text(yaml.safe_dump({"package": PACKAGES}))
    return tmp_path


def test_conda_gets_its_packages_of_the_platform_from_the_mirror() -> None:
    assert asserted_state.explicit(PACKAGES, {SITE: "http://near"}) == LISTED


def test_an_environment_is_built_beside_the_last_one_and_its_link_moves(folder: Path) -> None:
    for state in ("before", "after"):
        asserted_state.add_environment(folder, "minimal", state, folder / "lock.yml", {SITE: "http://near"})
    assert (folder / "links").read_text().splitlines() == [
        "/opt/miniconda3 /opt/m",
        "/opt/pyinfra/envs/minimal /opt/pyinfra/after/minimal",
    ]
    assert (folder / "builds").read_text().split() == [
        *("/opt/pyinfra/before/minimal", "minimal-before.txt"),
        *("/opt/pyinfra/after/minimal", "minimal-after.txt"),
    ]
    assert (folder / "minimal-after.txt").read_text() == LISTED


def test_pyinfra_is_told_which_nodes_of_the_group(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = [Node(name, "bench", "debian12", "10.0.0.1") for name in ("a", "b", "c")]
    _argv, variables = asserted_state.command("pyinfra", folder, fleet[1:])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert asserted_state.nodes_of(fleet) == fleet[1:]
