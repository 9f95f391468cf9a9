# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that compares nodes."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.nodes import nodes
from lab.nodes.fleet import Fleet

CONDA = "/opt/miniconda3/bin/conda"
COMPARE = "playbooks/compare.yml"
#: What the nodes of this scenario have is in no lock.
STRICT = {"compare_strict": True, "conda_environments_list": []}
PACKAGES = ("python=3.11", "idna")


def test_nodes_are_the_same_until_somebody_changes_one_by_hand(fleet: Fleet) -> None:
    for name, installer in (("linked", "rattler"), ("created", "conda")):
        digest = fleet.environment(name, *PACKAGES, installer=installer)["digest"]
    output = fleet.play(COMPARE, **STRICT)
    for name in ("linked", "created", "team"):
        assert f"{name}: the same on all 2 nodes, digest {digest[:16]}" in output

    install = f"{CONDA} install --quiet --yes --override-frozen --name created six >/dev/null"
    changed = max(node.name for node in nodes.find(fleet.group))
    fleet.run(f'test "$(hostname)" != {changed} || {install}')
    assert "created: drifted" in fleet.play(COMPARE)
    with pytest.raises(LabError, match=rf"(?s)drifted on {changed}:.*six 1\.17\.0.*The nodes do not all have the same"):
        fleet.play(COMPARE, **STRICT)

    fleet.environment("created", state="absent")
    fleet.play(COMPARE, **STRICT)
