# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role miniconda does with bad input, broken mirrors, a full disk and a killed run."""

from __future__ import annotations

import json

import pytest

from tests.faults.conftest import Node, finish

STORE = "/opt/evenkeel/distributions"
PREFIX = "/opt/miniconda3"


@pytest.fixture
def bare(node: Node) -> Node:
    """A node that no role has touched."""
    node.strip()
    return node


def assert_nothing_is_installed(node: Node) -> None:
    """Nothing under the final name, and no download or half-made installation in the store."""
    assert not node.host.file(PREFIX).exists
    assert node.host.run(f"ls {STORE}").stdout.split() == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"distribution": "Slackware", "distribution_version": "15.0"}, ("Slackware 15.0", "Debian 12, 13")),
        ({"architecture": "riscv64"}, ("riscv64", "aarch64, x86_64")),
    ],
)
def test_an_unsupported_platform_is_refused(bare: Node, facts: dict[str, str], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    assert bare.play("tests/faults/pretended_facts.yml", pretended_facts=facts).failed_saying(*words)
    assert bare.fingerprint() == before


def test_an_unknown_version_needs_a_checksum(bare: Node) -> None:
    before = bare.fingerprint()
    answer = bare.play(tags="miniconda", miniconda_version="py313_99.9.9-9", miniconda_sha256="")
    assert answer.failed_saying("Miniconda3-py313_99.9.9-9-Linux-x86_64.sh", "miniconda_sha256")
    assert bare.fingerprint() == before


def test_a_wrong_checksum_executes_nothing(bare: Node) -> None:
    wrong = "0" * 64
    assert bare.play(tags="miniconda", miniconda_sha256=wrong).failed_saying(wrong, "was not executed")
    assert_nothing_is_installed(bare)


def test_a_prefix_that_is_not_ours_is_left_alone(bare: Node) -> None:
    bare.host.check_output(f"mkdir {PREFIX} && echo precious >{PREFIX}/thesis.txt")
    assert bare.play(tags="miniconda").failed_saying(PREFIX, "did not make")
    assert bare.host.file(f"{PREFIX}/thesis.txt").content_string == "precious\n"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("404", ("answered 404",)),
        ("html", ("answered with an HTML page",)),
        ("hang", ("did not deliver", "2 times in a row")),
        ("truncate", ("did not deliver", "2 times in a row")),
        ("corrupt", ("was not executed",)),
    ],
)
def test_a_broken_mirror_is_named(bare: Node, fault: str, words: tuple[str, ...]) -> None:
    url = bare.faulty_mirror(fault)
    answer = bare.play(
        tags="miniconda", evenkeel_mirror=url, miniconda_download_timeout=2, miniconda_download_retries=1
    )
    assert answer.failed_saying(url, *words)
    assert_nothing_is_installed(bare)


def test_a_mirror_that_recovers_is_enough(bare: Node) -> None:
    assert bare.play(tags="miniconda", evenkeel_mirror=bare.faulty_mirror("flaky/2/recovers")).succeeded()
    assert bare.host.run(f"{PREFIX}/bin/conda --version").rc == 0


def test_too_small_a_disk_is_told_in_bytes_before_anything_is_executed(bare: Node) -> None:
    bare.host.check_output("mkdir -p /opt/evenkeel && mount -t tmpfs -o size=40m tmpfs /opt/evenkeel")
    answer = bare.play(tags="miniconda")
    assert answer.failed_saying(" bytes, and the file system of /opt/evenkeel", " free")
    assert_nothing_is_installed(bare)


def test_an_older_c_library_than_the_installer_needs(bare: Node) -> None:
    answer = bare.play(tags="miniconda", miniconda_version="py313_26.7.1-0")
    assert answer.failed_saying("requires GLIBC >=2.41, but system has 2.36", "built for an older C library")
    assert_nothing_is_installed(bare)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"miniconda_prefix": "/opt/my conda"}, ("/opt/my conda", "path with a space")),
        ({"miniconda_store": "/srv/" + "long/" * 10 + "store"}, ("store /srv/long", "127 are the limit")),
        ({"miniconda_version": "py42"}, ("py42", "latest-known", "py313")),
        ({"miniconda_distribution": "anaconda"}, ("anaconda", "miniconda, miniforge")),
        ({"miniconda_distribution": "miniforge", "miniconda_version": "py313"}, ("py313", "miniforge", "latest-known")),
        (
            {"miniconda_distribution": "miniforge", "miniconda_version": "26.3.2-3"},
            ("has installers of miniconda", "for miniforge set miniconda_mirror"),
        ),
        ({"miniconda_shared_cache_group": "nobodys"}, ("no group nobodys",)),
        ({"miniconda_src": "/nowhere/Miniconda3.sh", "miniconda_sha256": "0" * 64}, ("/nowhere/Miniconda3.sh",)),
    ],
)
def test_bad_input_changes_nothing(bare: Node, variables: dict[str, str], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    answer = bare.play(tags="miniconda", **{"miniconda_version": "py311_26.7.1-0", **variables})
    assert answer.failed_saying(*words)
    assert bare.fingerprint() == before


def test_terms_of_service_are_never_accepted_silently(bare: Node) -> None:
    variables = {"tags": "miniconda", "evenkeel_mirror": bare.faulty_mirror("terms")}
    terms = f"{variables['evenkeel_mirror']}/pkgs/main/terms.json"
    before = bare.fingerprint()
    assert bare.play(**variables).failed_saying(terms, "miniconda_accept_tos")
    assert bare.fingerprint() == before

    assert bare.play(**variables, miniconda_accept_tos=True).succeeded()
    records = bare.host.check_output("cat /etc/conda/tos/*/*.json").splitlines()
    assert {json.loads(record)["base_url"] for record in records} == {
        f"{variables['evenkeel_mirror']}/pkgs/{name}" for name in ("main", "r")
    }
    assert all(json.loads(record)["tos_accepted"] for record in records)
    again = bare.play(**variables)
    assert again.succeeded()
    assert "changed=0" in again.output


@pytest.mark.parametrize("victims", ["the module", "the module and the installer"])
def test_a_killed_installation_is_healed(bare: Node, victims: str) -> None:
    killer = f"kill -KILL $(cat {STORE}/.locks/store)"
    if victims == "the module and the installer":
        killer = f"module=$(cat {STORE}/.locks/store); pkill -KILL -P $module; kill -KILL $module"
    run = bare.start(tags="miniconda")
    bare.host.check_output(f"until ls -d {STORE}/Miniconda3-*; do sleep 0.02; done; {killer}")
    assert finish(run).status != 0
    assert not bare.host.file(PREFIX).exists

    assert bare.play(tags="miniconda").succeeded()
    assert bare.host.run(f"{PREFIX}/bin/conda --version").rc == 0
    assert len(bare.host.run(f"ls {STORE}").stdout.split()) == 1


@pytest.mark.parametrize("victims", ["the module", "the module and the installer"])
def test_a_killed_upgrade_leaves_the_old_one_working(bare: Node, victims: str) -> None:
    assert bare.play(tags="miniconda").succeeded()
    old = bare.host.file(PREFIX).linked_to
    killer = f"kill -KILL $(cat {STORE}/.locks/store)"
    if victims == "the module and the installer":
        killer = f"module=$(cat {STORE}/.locks/store); pkill -KILL -P $module; kill -KILL $module"
    upgrade = {"tags": "miniconda", "miniconda_version": "py311_26.7.1-1"}
    run = bare.start(**upgrade)
    bare.host.check_output(f"until ls -d {STORE}/Miniconda3-*_26.7.1-1-*; do sleep 0.02; done; {killer}")
    assert finish(run).status != 0
    assert bare.host.file(PREFIX).linked_to == old
    assert bare.host.run(f"{PREFIX}/bin/conda --version").rc == 0

    assert bare.play(**upgrade).succeeded()
    assert "26.7.1-1" in bare.host.file(PREFIX).linked_to
    assert bare.host.run(f"{PREFIX}/bin/conda --version").rc == 0
    assert len(bare.host.run(f"ls {STORE}").stdout.split()) == 2
