# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from ipaddress import IPv4Network

import pytest

from lab.errors import LabError
from lab.nodes import podman

RUNC = '[engine]\nruntime = "runc"\n'


@pytest.mark.parametrize(
    ("unified", "limits", "expected"),
    [
        (True, {}, ""),
        (True, {"nofile": 1048576}, ""),
        (False, {}, RUNC),
        (True, {"nofile": 20000}, '[containers]\ndefault_ulimits = ["nofile=20000:20000"]\n'),
        (
            False,
            {"nofile": 20000, "nproc": 32768},
            f'[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n\n{RUNC}',
        ),
    ],
)
def test_podman_is_told_only_what_the_machine_needs(unified: bool, limits: dict[str, int], expected: str) -> None:
    assert podman.settings(unified_cgroups=unified, limits=limits) == expected


@pytest.mark.parametrize("text", ["10.0.0.0/24", "10.0.0.0/28", "192.168.240.0/20"])
def test_nodes_get_neither_a_fixed_address_nor_the_broadcast_one(text: str) -> None:
    network = IPv4Network(text)
    nodes = podman.node_range(network)
    assert nodes.subnet_of(network)
    assert network[2] not in nodes
    assert network.broadcast_address not in nodes


def test_the_subnet_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENKEEL_LAB_SUBNET", raising=False)
    assert podman.subnet() == IPv4Network("10.213.77.0/24")
    monkeypatch.setenv("EVENKEEL_LAB_SUBNET", "10.1.2.0/26")
    assert podman.subnet() == IPv4Network("10.1.2.0/26")


@pytest.mark.parametrize("text", ["here", "10.1.2.3/24", "10.1.2.0/30", "fd00::/64"])
def test_a_subnet_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EVENKEEL_LAB_SUBNET", text)
    with pytest.raises(LabError, match="EVENKEEL_LAB_SUBNET"):
        podman.subnet()


class Podman:
    """Stands in for podman's command line: lists what it is given, notes what it is asked."""

    def __init__(self, state: str, spec: str) -> None:
        labels = {podman.LABEL: "g", "io.evenkeel.spec": spec}
        entry = {"Names": ["evenkeel-g-n"], "State": state, "Pid": 7, "Labels": labels}
        self.listing = json.dumps([entry] if state else [])
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *argv: str) -> str:
        self.asked.append(argv)
        return self.listing if argv[0] == "ps" else ""

    def started_spec(self) -> str:
        label = next(word for argv in self.asked for word in argv if word.startswith("--label=io.evenkeel.spec="))
        return label.rpartition("=")[2]


@pytest.mark.parametrize(
    ("state", "lives", "same", "fresh", "verbs"),
    [
        ("", False, False, False, ["ps", "run"]),
        ("running", True, True, False, ["ps"]),
        ("running", True, True, True, ["ps", "rm", "run"]),
        ("running", True, False, False, ["ps", "rm", "run"]),
        ("running", False, True, False, ["ps", "rm", "run"]),
        ("exited", False, True, False, ["ps", "rm", "run"]),
        ("created", False, True, False, ["ps", "rm", "run"]),
    ],
)
def test_a_container_is_replaced_unless_it_runs_as_asked(
    monkeypatch: pytest.MonkeyPatch, state: str, lives: bool, same: bool, fresh: bool, verbs: list[str]
) -> None:
    monkeypatch.setattr(podman, "_has_process", lambda pid: lives)
    argv = ["image", "/sbin/init"]
    first = Podman("", "")
    monkeypatch.setattr(podman, "run", first)
    assert podman.ensure_running("evenkeel-g-n", "g", argv)

    fake = Podman(state, first.started_spec() if same else "other")
    monkeypatch.setattr(podman, "run", fake)
    assert podman.ensure_running("evenkeel-g-n", "g", argv, fresh=fresh) is ("run" in verbs)
    assert [asked[0] for asked in fake.asked] == verbs


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["another process", "nobody"])
def test_after_a_restart_a_container_s_number_is_nobody_s_or_another_process_s(pid: int) -> None:
    assert not podman._has_process(pid)


def test_a_spec_covers_what_else_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = set()
    for also in ("one", "two"):
        fake = Podman("", "")
        monkeypatch.setattr(podman, "run", fake)
        podman.ensure_running("evenkeel-g-n", "g", ["image"], also=also)
        specs.add(fake.started_spec())
    assert len(specs) == 2
