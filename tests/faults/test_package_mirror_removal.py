# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine becomes a package mirror, and is rid of it by remove.yml: what was there before is there, no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.nodes import snapshot
from tests.faults.conftest import Answer, Node, fresh_node
from tests.faults.mirrors import CACHE, PLAYBOOK, Mirror, packages_of_the_lab

pytestmark = pytest.mark.long

OF_SOMEBODY = f"{CACHE}/package_mirror/notes"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with fresh_node("mirror-removal") as node, packages_of_the_lab(node):
        node.host.check_output("rm -r /var/lib/evenkeel")
        yield node


def listed(node: Node) -> set[str]:
    return set(node.host.check_output(snapshot.COMMAND).splitlines())


def test_a_mirror_goes_with_its_cache_and_what_came_for_it(node: Node, tmp_path: Path) -> None:
    inventory = tmp_path / "mirrors.ini"
    inventory.write_text("[package_mirrors]\ndebian12-1\n")

    def remove(*options: str, **variables: Any) -> Answer:
        given = {"remove_layers": "package_mirror", "remove_confirm": False, **variables}
        return node.play("playbooks/remove.yml", f"--inventory={inventory}", *options, **given)

    before = listed(node)
    users = [{"name": "ana", "hash": "$6$salt$hash"}]
    given: dict[str, Any] = {
        "package_mirror_tls": True,
        "package_mirror_ca_directory": str(tmp_path),
        "package_mirror_users": users,
    }
    assert node.play(PLAYBOOK, **given).succeeded()
    assert Mirror(node, tls=True).ask("/debian/dists/bookworm/InRelease").status == 200

    assert remove(remove_layers="package_mirror,jupyter").failed_saying("package_mirror, which is of other machines")
    rehearsed = remove("--check", "--diff")
    assert rehearsed.succeeded()
    assert f"The cache in {CACHE}/package_mirror, of 1 MiB, goes" in rehearsed.output
    assert "$6$salt" not in rehearsed.output
    assert node.host.package("nginx").is_installed

    node.host.check_output("touch %s", OF_SOMEBODY)
    removed = remove()
    assert removed.succeeded()
    assert f"{OF_SOMEBODY}: not made by Evenkeel" in removed.output
    assert node.host.check_output(f"find {CACHE} -type f") == OF_SOMEBODY
    assert listed(node) == before
    assert not node.host.package("nginx").is_installed
    again = remove()
    assert again.succeeded()
    assert "changed=0" in again.output
    by_its_playbook = node.play("playbooks/mirrors.yml", f"--inventory={inventory}", package_mirror_state="absent")
    assert by_its_playbook.succeeded()
    assert "changed=0" in by_its_playbook.output
