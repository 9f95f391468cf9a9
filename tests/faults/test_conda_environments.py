# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role conda_environments does with bad input, a full disk and a killed run."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Node, finish

ENVS = "/opt/evenkeel/envs"
GENERATIONS = "/opt/evenkeel/generations"
SMALL = ["python=3.11", "idna"]


@pytest.fixture(scope="module")
def prepared(node: Node) -> Node:
    """A node with Miniconda and its configuration."""
    node.strip()
    assert node.play(tags="miniconda,condarc").succeeded()
    return node


def environment(name: str, *packages: str) -> list[dict[str, object]]:
    """Return the declaration of one environment."""
    return [{"name": name, "packages": list(packages)}]


@pytest.mark.parametrize("name", ["a/b", "a b", "base", "..", ""])
def test_a_name_that_is_none_is_refused(prepared: Node, name: str) -> None:
    before = prepared.fingerprint()
    answer = prepared.play(tags="conda_environments", conda_environments_list=environment(name, *SMALL))
    assert answer.failed_saying("conda_environments_list")
    assert prepared.fingerprint() == before


def test_an_unknown_package_is_explained_and_nothing_is_made(prepared: Node) -> None:
    before = prepared.fingerprint()
    answer = prepared.play(
        tags="conda_environments", conda_environments_list=environment("analysis", "python=3.11", "no-such-package-xyz")
    )
    assert answer.failed_saying("no-such-package-xyz", "No candidates were found")
    assert prepared.fingerprint() == before


def test_an_unreachable_channel_is_named(prepared: Node) -> None:
    before = prepared.fingerprint()
    answer = prepared.play(
        tags="conda_environments",
        conda_environments_list=environment("analysis", *SMALL),
        conda_environments_channels=[f"{prepared.faulty_mirror('404')}/pkgs/main"],
    )
    assert answer.failed_saying(prepared.faulty_mirror("404"))
    assert prepared.fingerprint() == before


def test_a_directory_that_is_not_ours_is_left_alone(prepared: Node) -> None:
    prepared.host.check_output(f"mkdir -p {ENVS}/theirs && echo precious >{ENVS}/theirs/thesis.txt")
    answer = prepared.play(tags="conda_environments", conda_environments_list=environment("theirs", *SMALL))
    assert answer.failed_saying(f"{ENVS}/theirs", "did not make")
    assert prepared.host.file(f"{ENVS}/theirs/thesis.txt").content_string == "precious\n"


def test_a_full_disk_leaves_nothing_half_made(prepared: Node) -> None:
    scratch = "/opt/scratch"
    prepared.host.check_output(f"mkdir -p {scratch} && mount -t tmpfs -o size=40m tmpfs {scratch}")
    try:
        answer = prepared.play(
            tags="conda_environments",
            conda_environments_list=environment("analysis", *SMALL),
            conda_environments_root=scratch,
        )
        assert answer.failed_saying("No space left", scratch)
        assert prepared.host.run(f"ls {scratch}/generations/analysis").stdout.split() == []
        assert not prepared.host.file(f"{scratch}/envs/analysis").exists
    finally:
        prepared.host.check_output(f"umount {scratch} && rmdir {scratch}")


@pytest.mark.parametrize("victims", ["the module", "the module and conda"])
def test_a_killed_build_is_healed(prepared: Node, victims: str) -> None:
    name = f"killed-{len(victims)}"
    declared = environment(name, *SMALL)
    lock = "/opt/evenkeel/locks/pkgs"
    killer = f"kill -KILL $(cat {lock})"
    if victims == "the module and conda":
        killer = f"module=$(cat {lock}); pkill -KILL -P $module; kill -KILL $module"
    run = prepared.start(tags="conda_environments", conda_environments_list=declared)
    prepared.host.check_output(f"until ls -d {GENERATIONS}/{name}/*/*; do sleep 0.02; done; {killer}")
    assert finish(run).status != 0
    assert not prepared.host.file(f"{ENVS}/{name}").exists

    assert prepared.play(tags="conda_environments", conda_environments_list=declared).succeeded()
    assert prepared.host.run(f"{ENVS}/{name}/bin/python -c 'import idna'").rc == 0
    assert len(prepared.host.run(f"ls {GENERATIONS}/{name}").stdout.split()) == 1


def test_a_package_added_by_hand_is_healed(prepared: Node) -> None:
    declared = environment("drifting", *SMALL)
    assert prepared.play(tags="conda_environments", conda_environments_list=declared).succeeded()
    first = prepared.host.file(f"{ENVS}/drifting").linked_to
    prepared.host.check_output(
        "CONDA_PROTECT_FROZEN_ENVS=0 /opt/miniconda3/bin/conda install --yes --name drifting six"
    )
    assert prepared.play(tags="conda_environments", conda_environments_list=declared).succeeded()
    assert prepared.host.file(f"{ENVS}/drifting").linked_to == f"{first}-2"
    assert prepared.host.run(f"{ENVS}/drifting/bin/python -c 'import six'").rc != 0
