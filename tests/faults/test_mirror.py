# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role mirror does with mirrors that misbehave, and the whole site with mirrors that cannot be meant."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.upstream import certificates, mirror
from tests.faults.conftest import ROOT, Node

CA = "/etc/evenkeel-faults-ca.pem"
QUICK = {"mirror_timeout": 5, "mirror_max_age_days": 365}
#: How a mirror misbehaves, and the word for it.
FAULTS = {
    "404": "answered 404 Not Found",
    "flaky/99/mirror": "answered 503 Service Unavailable",
    "html": "something else than an index",
    "hang": "sent nothing for 5 s",
    "stale": "730 days ago",
}


@pytest.fixture
def bare(node: Node) -> Node:
    """A node that no role has touched."""
    node.strip()
    return node


@pytest.fixture
def certified(bare: Node) -> Iterator[Node]:
    """A node that has the certificate of the lab's authority, and does not trust it."""
    text = (certificates.folder(mirror.address()) / "ca.pem").read_text()
    bare.host.check_output(f"printf %%s %s >{CA}", text)
    yield bare
    bare.host.check_output(f"rm {CA}")


def named(node: Node, name: str) -> dict[str, Any]:
    """The lab's mirror under a name."""
    return {"name": name, "url": node.mirror}


def test_the_first_healthy_mirror_is_taken_and_the_broken_ones_are_not(bare: Node) -> None:
    before = bare.fingerprint()
    broken = [bare.faulty_mirror(fault) for fault in FAULTS]
    answer = bare.play(tags="mirror", evenkeel_mirror=[*broken, named(bare, "good"), named(bare, "better")], **QUICK)
    assert answer.succeeded()
    assert "Use on all nodes good" in answer.output
    assert bare.fingerprint() == before


def test_where_no_mirror_is_healthy_each_is_told_with_its_reason(bare: Node) -> None:
    before = bare.fingerprint()
    answer = bare.play(evenkeel_mirror=[bare.faulty_mirror(fault) for fault in FAULTS], **QUICK)
    for fault, words in FAULTS.items():
        assert answer.failed_saying("None of the mirrors is healthy", bare.faulty_mirror(fault), words)
    assert bare.fingerprint() == before


def test_a_mirror_that_rests_is_healthy_where_any_age_will_do(bare: Node) -> None:
    stale = bare.faulty_mirror("stale")
    answer = bare.play(tags="mirror", evenkeel_mirror=[stale], mirror_timeout=5, mirror_max_age_days=0)
    assert answer.succeeded()
    assert f"Use on all nodes {stale}" in answer.output


def test_a_mirror_that_lacks_a_channel_is_passed_over(bare: Node) -> None:
    poor = {**named(bare, "poor"), "channels": ["bioconda"]}
    answer = bare.play(
        tags="mirror",
        evenkeel_mirror=[
            "tuna",
            poor,
            {**named(bare, "rich"), "pkgs": ["main", "r"], "channels": {"nvidia": ["linux-64"]}},
        ],
        condarc_channels=["defaults", "nvidia"],
        **QUICK,
    )
    assert answer.failed_saying(
        "The mirror tuna does not carry the channel nvidia",
        "The mirror poor does not carry the channel nvidia",
        f"{bare.mirror}/cloud/nvidia/linux-64/repodata.json and 1 more answered 404 Not Found",
    )


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"evenkeel_mirror": "tsinghua"}, ("There is no mirror 'tsinghua'", "anaconda, conda-forge, tuna, bfsu, ustc")),
        ({"evenkeel_mirror": ["tuna", "tsinghua"]}, ("There is no mirror 'tsinghua'",)),
        ({"evenkeel_mirror": []}, ("evenkeel_mirror is empty",)),
        ({"evenkeel_mirror": {"url": "mirror.example"}}, ("A mirror's url is 'mirror.example', which is not a URL",)),
        ({"evenkeel_mirror": {"url": "https://a", "chanels": []}}, ("unknown keys chanels", "channels")),
        (
            {"evenkeel_mirror": "tuna", "condarc_channels": ["defaults", "nvidia"]},
            ("The mirror tuna does not carry the channel nvidia", "These do: anaconda, conda-forge, sustech"),
        ),
        (
            {"evenkeel_mirror": "tuna", "condarc_channel_mirrors": {"nvidia": "bfsu"}},
            ("The mirror bfsu does not carry the channel nvidia",),
        ),
        ({"evenkeel_mirror": ["tuna"], "mirror_max_age_days": "long"}, ("mirror_max_age_days",)),
    ],
)
def test_what_cannot_be_meant_changes_nothing(bare: Node, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    assert bare.play(**variables).failed_saying(*words)
    assert bare.fingerprint() == before


def test_a_mirror_with_a_certificate_of_the_site_is_reached_through_the_proxy(certified: Node) -> None:
    url = f"https://{certificates.NAME}/anaconda"
    for network, words in (
        ({}, "could not be reached"),
        ({"evenkeel_proxy": mirror.proxy_url()}, "CERTIFICATE_VERIFY_FAILED"),
        ({"evenkeel_proxy": "http://127.0.0.1:1", "evenkeel_ca_bundle": CA}, "Connection refused"),
        ({"evenkeel_proxy": mirror.proxy_url(), "evenkeel_ca_bundle": f"{CA}.none"}, f"{CA}.none cannot be used"),
    ):
        assert certified.play(tags="mirror", evenkeel_mirror=[url], **network, **QUICK).failed_saying(words)
    network = {"evenkeel_proxy": mirror.proxy_url(), "evenkeel_ca_bundle": CA}
    assert certified.play(tags="mirror", evenkeel_mirror=[url], **network, **QUICK).succeeded()


def test_the_distribution_comes_through_the_proxy_from_a_mirror_with_a_certificate_of_the_site(certified: Node) -> None:
    answer = certified.play(
        tags="miniconda,condarc",
        evenkeel_mirror=f"https://{certificates.NAME}/anaconda",
        evenkeel_proxy=mirror.proxy_url(),
        evenkeel_ca_bundle=CA,
    )
    assert answer.succeeded()
    assert certified.host.file("/opt/miniconda3/bin/conda").exists


def test_offline_an_environment_is_built_of_what_the_cache_holds(bare: Node, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "lab" / "environments" / "minimal", tmp_path / "minimal")
    assert bare.play("playbooks/lock.yml", conda_environments_directory=str(tmp_path), lock_env="minimal").succeeded()
    site = {
        "tags": "miniconda,condarc,conda_environments",
        "conda_environments_directory": str(tmp_path),
        "conda_environments_list": [{"name": "minimal"}],
    }
    assert bare.play(**site).succeeded()
    bare.host.check_output("rm -r /opt/evenkeel/envs /opt/evenkeel/generations")
    nowhere = "http://127.0.0.1:9"
    answer = bare.play(
        **site, evenkeel_offline=True, evenkeel_mirror=[f"{nowhere}/anaconda"], evenkeel_pip_index=f"{nowhere}/simple"
    )
    assert answer.succeeded()
    bare.host.check_output("/opt/evenkeel/envs/minimal/bin/python -c 'import ipykernel'")
    assert "offline: true" in bare.host.file("/etc/conda/condarc.d/evenkeel.yml").content_string
