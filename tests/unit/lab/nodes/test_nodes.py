# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.nodes import nodes


def test_nodes_are_numbered_within_their_release() -> None:
    assert nodes.names(["debian12", "debian13", "debian12"]) == {
        "debian12-1": "debian12",
        "debian13-1": "debian13",
        "debian12-2": "debian12",
    }


@pytest.mark.parametrize("group", ["demo", "conda_environments", "faults-gw0", "4u"])
def test_names_of_groups(group: str) -> None:
    nodes.check_group(group)


@pytest.mark.parametrize("group", ["", "_mirror", "-x", "Demo", "a/b", "a b", "a\n", "x" * 60])
def test_a_group_whose_name_cannot_be_is_refused(group: str) -> None:
    with pytest.raises(LabError, match="no name for a group"):
        nodes.check_group(group)


@pytest.mark.parametrize(
    ("release", "unified", "legacy"),
    [
        ("debian12", True, False),
        ("debian12", False, False),
        ("debian13", True, False),
        ("debian13", False, True),
        ("rocky9", False, False),
    ],
)
def test_a_new_systemd_is_told_to_take_legacy_cgroups_where_there_are_no_others(
    release: str, unified: bool, legacy: bool
) -> None:
    argv = nodes.run_arguments("n", release, "image", {}, unified_cgroups=unified)
    assert argv[argv.index("image") + 1] == "/sbin/init"
    assert ("systemd.unified_cgroup_hierarchy=0" in argv) is legacy


def test_limits_are_enforced_only_in_a_private_cgroup_namespace() -> None:
    argv = nodes.run_arguments("n", "debian12", "image", {}, unified_cgroups=False)
    assert {"--cgroupns=private", "--privileged", "--systemd=false"} <= set(argv)


def test_small_file_systems_come_before_the_image() -> None:
    argv = nodes.run_arguments("n", "debian12", "image", {"/opt": "64m"}, unified_cgroups=True)
    assert argv.index("--tmpfs=/opt:size=64m,mode=0755,exec") < argv.index("image")
