# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality.claims import Claim, Result, SkippedError
from reality.parts import nodes
from reality.reach import TroubleError
from reality.world import ROOT, World, chosen

TEXTS = {
    "one": "ansible:\n  env:\n    EVENKEEL_LAB_RELEASES: ${EVENKEEL_RELEASES:-debian12 rocky9}\n",
    "three": "ansible:\n  env:\n    EVENKEEL_LAB_RELEASES: ${EVENKEEL_RELEASES:-debian12 debian12 debian12}\n",
    "fixed": "ansible:\n  env:\n    EVENKEEL_LAB_RELEASES: debian12\n",
    "machine": "ansible:\n  env:\n    EVENKEEL_LAB_RELEASES: debian12vm\n",
    "plain": "---\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in TEXTS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "molecule.yml").write_text(text)
        (tmp_path / name / "converge.yml").touch()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "molecule.yml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "releases", "is_open", "of_machines", "on_rocky"),
    [
        ("one", ("debian12", "rocky9"), True, False, "rocky8"),
        ("three", ("debian12",) * 3, True, False, "rocky8 rocky8 rocky8"),
        ("fixed", ("debian12",), False, False, "rocky8"),
        ("machine", ("debian12vm",), False, True, "rocky8"),
        ("plain", (), True, False, "rocky8 rocky8"),
    ],
)
def test_what_scenarios_say_of_their_nodes(
    name: str, releases: tuple[str, ...], is_open: bool, of_machines: bool, on_rocky: str, folder: Path
) -> None:
    found = {one.name: one for one in nodes.scenarios(folder)}
    assert set(found) == set(TEXTS)
    one = found[name]
    assert (one.releases, one.is_open, one.of_machines) == (releases, is_open, of_machines)
    assert one.nodes("rocky8") == on_rocky


def test_claims_are_scenarios_by_releases(world: World) -> None:
    ids = [claim.id for claim in nodes.claims(world)]
    assert len(set(ids)) == len(ids)
    assert {"nodes/miniconda/almalinux9", "nodes/nvidia_driver/ubuntu2604", "nodes/secure_boot/debian12uefi"} < set(ids)
    assert "nodes/upgrade/rocky9" not in ids
    assert not [one for one in ids if "default" in one]


INSPECTED = json.dumps([{"Id": "0a" * 32, "Created": "2026-11-12T10:11:12Z", "Digest": "sha256:1b"}])
DISK = {"path": "/here/image.qcow2", "made": "2026-11-11", "digest": "sha512:1b"}
SAID = {"podman image inspect": INSPECTED, "python -m lab fetch": f"a line\n{json.dumps(DISK)}\n"}
IMAGE = "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2"
DETAIL = "the image of 2026-11-12, sha256:1b"


@pytest.mark.parametrize(
    ("name", "release", "is_for"),
    [
        ("jupyter", "ubuntu2604", True),
        ("jupyter", "rocky9", True),
        ("jupyter", "rocky8", False),
        ("nvidia_driver", "almalinux8", True),
        ("cuda_toolkit", "rocky10", True),
        ("cuda_toolkit", "ubuntu2404", False),
        ("pull_agent", "debian13", True),
        ("pull_agent", "almalinux9", False),
    ],
)
def test_what_a_scenario_is_for(name: str, release: str, is_for: bool, world: World) -> None:
    assert (f"nodes/{name}/{release}" in {claim.id for claim in nodes.claims(world)}) == is_for


def test_each_role_is_asked_on_each_distribution_that_its_scenario_prepares(world: World) -> None:
    asked = {tuple(claim.id.split("/")[1:]) for claim in nodes.claims(world)}
    for role in (path.name for path in (ROOT / "roles").iterdir()):
        families = nodes._PREPARED.get(role, ("debian", "ubuntu", "rocky", "almalinux"))
        assert [one for one in families if not any(name == role and of.startswith(one) for name, of in asked)] == []


def test_scenarios_have_each_debian_take_its_own_packages() -> None:
    texts = {name: (ROOT / "molecule" / name / "prepare.yml").read_text() for name in nodes._PREPARED}
    suites = {name: re.findall(r"Suites: (.*)", text) for name, text in texts.items()}
    assert {name for name, found in suites.items() if not all("distribution_release" in one for one in found)} == set()
    assert suites["pull_agent"]


class Commands:
    """What is run, and how it ends."""

    def __init__(self, statuses: Mapping[str, int], words: str = "its words") -> None:
        self.ran: list[tuple[str, dict[str, str]]] = []
        self._statuses, self._words = statuses, words

    def __call__(self, argv: Any, *, env: Mapping[str, str] | None = None, apart: bool = False, **_more: Any) -> Any:
        words = " ".join(map(str, argv))
        self.ran.append((words, dict(env or {})))
        status = next((status for start, status in self._statuses.items() if words.startswith(start)), 0)
        if status:
            return subprocess.CompletedProcess([], status, *(("", self._words) if apart else (self._words, "")))
        said, warning = next((said for start, said in SAID.items() if words.startswith(start)), ""), "a warning\n"
        return subprocess.CompletedProcess([], 0, *((said, warning) if apart else (f"{said}\n{warning}", "")))


def ask(claim: str, world: World, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(world, "run", commands)
    monkeypatch.setattr("sys.executable", "python")
    monkeypatch.setattr(world, "tool", lambda name, _remedy: name)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return nodes.check(Claim(claim, "nodes", "", ""), world)


def asked(claim: str, world: World, monkeypatch: pytest.MonkeyPatch, **statuses: int) -> tuple[str, Commands]:
    commands = Commands(statuses)
    try:
        result = ask(claim, world, commands, monkeypatch)
    except (SkippedError, TroubleError) as error:
        return f"{type(error).__name__}: {error}", commands
    return f"{result.state} {result.on}: {result.detail}", commands


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        ({}, f"proven docker.io/rockylinux/rockylinux:9: {DETAIL}"),
        ({"podman pull": 1}, f"proven docker.io/rockylinux/rockylinux:9: {DETAIL}"),
        ({"molecule": 1}, "differs docker.io/rockylinux/rockylinux:9: its words"),
        ({"make": 1}, "SkippedError: the lab can't be built: its words"),
        ({"python -m lab": 1}, "differs docker.io/rockylinux/rockylinux:9: it can't be made a node: its words"),
        ({"podman": 1}, "TroubleError: docker.io/rockylinux/rockylinux:9 can't be fetched: its words"),
    ],
)
def test_a_scenario_on_an_official_image(
    statuses: dict[str, int], result: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, commands = asked("nodes/pull_agent/rocky9", world, monkeypatch, **statuses)
    assert said == result
    if not statuses:
        assert commands.ran[-1] == (
            "molecule test --scenario-name pull_agent",
            {
                "EVENKEEL_RELEASES": "rocky9 rocky9",
                "EVENKEEL_LAB_RELEASES": "rocky9 rocky9",
                "EVENKEEL_OFFICIAL": f"rocky9={'0a' * 32}",
            },
        )


def test_repositories_that_are_not_reached_say_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands({"python -m lab": 1}, "E: Failed to fetch http://a.example/x  Temporary failure resolving")
    with pytest.raises(TroubleError, match=r"the repositories of .* can't be reached: E: Failed"):
        ask("nodes/condarc/debian12", world, commands, monkeypatch)


@pytest.mark.parametrize("stand_ins", [None, {}])
def test_an_image_that_is_named_is_used(
    stand_ins: dict[str, str] | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stand_ins = stand_ins
    monkeypatch.setenv("EVENKEEL_OFFICIAL", "debian12 ubuntu2404=localhost/own:1")
    said, commands = asked("nodes/condarc/ubuntu2404", world, monkeypatch)
    assert said == f"proven own:1: {DETAIL}"
    assert "podman pull --quiet localhost/own:1" in [words for words, _env in commands.ran]
    assert commands.ran[-1][1]["EVENKEEL_OFFICIAL"] == f"ubuntu2404={'0a' * 32}"


@pytest.mark.parametrize(("release", "state"), [("ubuntu2604", "SkippedError"), ("ubuntu2404", "proven")])
def test_the_newest_systemd_needs_control_groups_of_version_2(
    release: str, state: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes.host, "unified_cgroups", lambda: False)
    assert asked(f"nodes/condarc/{release}", world, monkeypatch)[0].startswith(state)
    monkeypatch.setattr(nodes.host, "unified_cgroups", lambda: True)
    assert asked(f"nodes/condarc/{release}", world, monkeypatch)[0].startswith("proven")


@pytest.mark.parametrize(
    ("named", "lab", "key", "called"),
    [
        ("", False, "vm_image/debian12vm", IMAGE.removeprefix("https://")),
        ("debian12vm", False, "vm_image/debian12vm", IMAGE.removeprefix("https://")),
        (f"debian12vm={IMAGE}", False, "vm_image/debian12vm", IMAGE.removeprefix("https://")),
        ("", True, "vm_image/debian12vm", "the lab's debian12vm"),
        ("debian12vm", True, "vm_image/debian12vm", IMAGE.removeprefix("https://")),
        (
            "debian12vm=/home/ann.smith/own.qcow2",
            False,
            "case/own.qcow2/vm_image/debian12vm",
            "own.qcow2, which EVENKEEL_OFFICIAL names",
        ),
        (
            "debian12vm=https://corp.example/t/TOKEN/own.qcow2?sig=SECRET",
            True,
            "case/own.qcow2/vm_image/debian12vm",
            "own.qcow2, which EVENKEEL_OFFICIAL names",
        ),
        (
            "rocky9=registry.corp.example:5000/ann/rocky:9",
            False,
            "case/rocky:9/condarc/rocky9",
            "rocky:9, which EVENKEEL_OFFICIAL names",
        ),
    ],
)
def test_a_claim_says_what_is_asked_and_of_another_image_nothing_counts_for_the_official_one(
    named: str, lab: bool, key: str, called: str, world: World
) -> None:
    world.environment, world.stand_ins = {"EVENKEEL_OFFICIAL": named}, {} if lab else None
    found = {claim.id: claim.text for claim in nodes.claims(world)}
    assert found[f"nodes/{key}"].partition(" passes on ")[2] == called
    scenario = "/".join(key.split("/")[-2:])
    assert [one for one in found if one.endswith(f"/{scenario}")] == [f"nodes/{key}"]


def test_a_report_counts_the_official_images_whatever_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENKEEL_OFFICIAL", "debian12=localhost/own:1")
    assert any("/case/" in claim.id for claim in nodes.claims(chosen(os.environ, tmp_path)))
    assert not any("/case/" in claim.id for claim in nodes.claims(chosen({}, tmp_path)))


def test_an_image_of_a_release_that_is_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENKEEL_OFFICIAL", "fedora42")
    with pytest.raises(EvenkeelError, match="EVENKEEL_OFFICIAL names fedora42"):
        nodes.claims(world)


def test_machines_are_asked_on_each_release_that_their_scenario_may_have(world: World) -> None:
    ids = [claim.id for claim in nodes.claims(world) if claim.subject == nodes.MACHINES]
    assert {"nodes/driver_upgrade/debian12vm", "nodes/driver_upgrade/ubuntu2404vm", "nodes/site_vm/debian12vm"} < set(
        ids
    )
    assert not {"nodes/driver_upgrade/debian12uefi", "nodes/driver_upgrade/debian12"} & set(ids)


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(nodes, "_KVM", tmp_path)
    return tmp_path


def test_machines_need_kvm(world: World, kvm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_KVM", kvm / "kvm")
    said, _commands = asked("nodes/secure_boot/debian12uefi", world, monkeypatch)
    assert said.startswith("SkippedError: this machine has no ")


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        ({}, f"proven {IMAGE}: the image of 2026-11-11, sha512:1b"),
        ({"losetup": 1}, "SkippedError: no loop device is free, by which a cloud image is read: modprobe loop"),
        ({"python -m lab fetch": 1}, f"TroubleError: {IMAGE} can't be fetched: its words"),
        ({"python -m lab image": 1}, f"differs {IMAGE}: it can't be made a node: its words"),
        ({"molecule": 1}, f"differs {IMAGE}: its words"),
    ],
)
def test_machines_are_made_of_cloud_images(
    statuses: dict[str, int], result: str, world: World, kvm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, commands = asked("nodes/vm_image/debian12vm", world, monkeypatch, **statuses)
    assert said.startswith(result)
    if not statuses:
        assert commands.ran[-1] == (
            "molecule test --scenario-name vm_image",
            {"EVENKEEL_OFFICIAL": "debian12vm=/here/image.qcow2"},
        )


@pytest.mark.parametrize("named", ["", "debian12vm=/srv/own.img"])
def test_in_the_lab_its_own_disks_are_used(
    named: str, world: World, kvm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stand_ins = {}
    monkeypatch.setenv("EVENKEEL_OFFICIAL", named)
    said, commands = asked("nodes/driver_upgrade/debian12vm", world, monkeypatch)
    assert said.startswith("proven own.img: " if named else "proven the lab's debian12vm: ")
    assert ("python -m lab fetch debian12vm" in [words for words, _env in commands.ran]) == bool(named)
    assert commands.ran[-1][1]["EVENKEEL_RELEASES"] == "debian12vm"


def test_it_takes_root(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SkippedError, match="run it as root"):
        nodes.check(next(iter(nodes.claims(world))), world)


@pytest.mark.parametrize(
    ("release", "result"),
    [
        ("debian12", "proven the lab's debian12: "),
        ("almalinux9", "SkippedError: there is no release almalinux9"),
    ],
)
def test_in_the_lab_its_own_images_are_used(
    release: str, result: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stand_ins = {}
    said, commands = asked(f"nodes/miniconda/{release}", world, monkeypatch)
    assert said.startswith(result)
    assert not [env for _words, env in commands.ran if "EVENKEEL_OFFICIAL" in env]
