# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node could be brought to the declared state now, by what was found on it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import verdict
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import judge, size_of

PROBE: dict[str, Any] = {
    "reachable": True,
    "root": True,
    "root_problem": "",
    "python": {"path": "/usr/bin/python3", "version": "3.12.3"},
    "python_problem": "",
    "release": "Ubuntu 24.04",
    "machine": "x86_64",
    "clock_skew": 0,
}
PAST: dict[str, Any] = {
    "drivers": [],
    "runfile": "",
    "dkms": [],
    "repositories": [],
    "engines": [],
    "conda": [],
    "port": [],
}
H100 = {"name": "NVIDIA H100 80GB HBM3", "device_id": "0x2330"}
DRIVER = {"branch": "580", "version": "580.178.04", "flavour": "open"}
OURS = {"version": "580.178.04-1ubuntu1", "origin": "https://m/", "packages": ["nvidia-open"]}
OTHER = {"version": "535.274.02-0ubuntu0.24.04.1", "origin": "", "packages": ["nvidia-utils-535", "libnvidia-cfg1-535"]}


def disk(path: str, free: int, mount: str = "/", **other: Any) -> dict[str, Any]:
    return {"path": path, "mount": mount, "free_mib": free, "free_inodes": None, "read_only": False, **other}


def found(
    probe: dict[str, Any] | None = None,
    node: dict[str, Any] | None = None,
    layers: dict[str, Any] | None = None,
    to_do: tuple[str, ...] = (),
    **other: Any,
) -> dict[str, Any]:
    facts = {"evenkeel_gpu": {"gpus": [H100] * 8, "driver": {"loaded": ""}}}
    survey = {"layers": layers or {}, "roles": list(verdict.ROOM), "to_do": list(to_do), "ansible_facts": facts}
    read = {"disks": [disk("/", 50000)], "clock_synchronised": True, "sources": [], "past": PAST, **(node or {})}
    return {"probe": {**PROBE, **(probe or {})}, "survey": survey, "node": read, "driver": DRIVER, **other}


def test_a_node_that_is_as_it_must_be_is_ready() -> None:
    answer = judge(found())
    assert (answer["state"], answer["ok"], answer["problems"], answer["notes"]) == ("ready", True, [], [])
    assert answer["gpus"] == [{"name": "NVIDIA H100 80GB HBM3", "count": 8}]
    assert answer["driver"] == {**DRIVER, "loaded": ""}


@pytest.mark.parametrize(
    ("probe", "state", "words"),
    [
        ({"reachable": False, "msg": "No route to host"}, "unreachable", "unreachable: No route to host"),
        ({"python_problem": "no Python. Install it.", "python": {}}, "unknown", "unknown: no Python. Install it."),
        (
            {"python_problem": "no Python: `sudo x`."},
            "unknown",
            "unknown: no Python: `sudo x`. site.yml runs this command.",
        ),
        ({"root": False, "root_problem": "Missing sudo password"}, "problem", "no root: Missing sudo password"),
        ({"clock_skew": 61}, "problem", "clock: 61 seconds ahead of the control node's"),
        ({"clock_skew": -90000}, "problem", "clock: 25 hours behind the control node's"),
    ],
)
def test_what_the_shell_says_can_stand_against_a_node(probe: dict[str, Any], state: str, words: str) -> None:
    answer = judge(found(probe))
    assert answer["state"] == state
    assert not answer["ok"]
    assert len(answer["problems"]) == 1
    assert answer["problems"][0].startswith(words)


def test_a_clock_that_is_a_little_off_is_none() -> None:
    assert judge(found({"clock_skew": -60}))["ok"]


def test_a_node_that_was_not_read_is_no_ready_one() -> None:
    answer = judge({"probe": PROBE, "survey": {"msg": "The node can't be surveyed."}, "node": {}})
    assert answer["state"] == "unknown"
    assert answer["problems"] == ["unknown: survey: The node can't be surveyed.", "unknown: node: it was not read"]


def test_what_failed_for_all_nodes_is_a_problem_of_each() -> None:
    assert judge({"probe": PROBE, "failed": "None of the mirrors is healthy."})["problems"] == [
        "None of the mirrors is healthy."
    ]


@pytest.mark.parametrize(
    ("disks", "to_do", "problems"),
    [
        ([disk("/usr", 3149), disk("/var", 3149), disk("/boot", 3149)], ("nvidia_driver",), ["/ has 3.1G left"]),
        ([disk("/usr", 3150), disk("/var", 3150), disk("/boot", 3150)], ("nvidia_driver",), []),
        ([disk("/boot", 149, "/boot")], ("nvidia_driver",), ["/boot has 149M left, and about 150M are needed"]),
        ([disk("/boot", 149, "/boot")], (), []),
        ([disk("/boot", 49, "/boot")], (), ["/boot has 49M left"]),
        ([disk("/data/ek", 100, "/data"), disk("/opt", 100, "/opt")], ("conda_environments",), ["/data has 100M left"]),
        ([disk("/usr", 0, "/usr", read_only=True)], (), []),
        ([disk("/usr", 0, "/usr", read_only=True)], ("nvidia_driver",), ["/usr is read-only"]),
        ([disk("/", 50000, free_inodes=999)], (), ["/ has room for 999 files only"]),
    ],
)
def test_room(disks: list[dict[str, Any]], to_do: tuple[str, ...], problems: list[str]) -> None:
    answer = judge(found(node={"disks": disks}, to_do=to_do, root="/data/ek"))
    assert len(answer["problems"]) == len(problems)
    for said, words in zip(answer["problems"], problems, strict=True):
        assert words in said


def test_a_role_needs_its_room_once() -> None:
    layers = {"conda_environments": {"problems": ["a"], "changes": [{"task": "b"}]}}
    small = judge(
        found(node={"disks": [disk("/opt", 4999)]}, to_do=("conda_environments",), layers=layers, root="/opt")
    )
    assert "about 4.9G are needed" in small["problems"][0]


def test_a_source_counts_where_a_role_would_use_it() -> None:
    sources = [{"name": "NVIDIA's repository", "urls": ["http://m/"], "problem": "http://m/ timed out after 10 s"}]
    used = judge(found(node={"sources": sources}, to_do=("nvidia_driver",)))
    assert used["problems"] == ["NVIDIA's repository: http://m/ timed out after 10 s."]
    failing = judge(found(node={"sources": sources}, layers={"nvidia_driver": {"problems": ["no"]}}))
    assert failing["problems"] == ["NVIDIA's repository: http://m/ timed out after 10 s.", "nvidia_driver: no"]
    unused = judge(found(node={"sources": sources}, to_do=("condarc",), layers={"condarc": {}}))
    assert unused["ok"]
    assert unused["notes"] == ["NVIDIA's repository: http://m/ timed out after 10 s. Nothing is needed from there now."]


def test_every_source_has_roles() -> None:
    assert {role for roles in verdict.USERS.values() for role in roles} <= {*verdict.ROOM, "condarc"}


def test_what_the_survey_found() -> None:
    layers = {
        "miniconda": {"problems": ["No checksum is known."], "warnings": ["w"]},
        "nvidia_driver": {"changes": [{"task": "nvidia_driver"}], "reboot": ["the module is new"], "unknown": ["u"]},
        "jupyter": {"user_problems": {"ada": ["home is full"]}},
    }
    answer = judge(found(layers=layers, to_do=("nvidia_driver",)))
    assert answer["state"] == "problem"
    assert answer["problems"] == ["unknown: nvidia_driver: u", "miniconda: No checksum is known."]
    assert answer["notes"] == ["miniconda: w", "jupyter: ada: home is full"]
    assert answer["reboot"] == ["the module is new"]
    assert answer["changes"]["nvidia_driver"] == ["nvidia_driver"]


def test_a_problem_makes_a_survey_without_other_layers_count() -> None:
    assert judge(found(layers={"miniconda": {"unknown": ["u"]}}))["state"] == "unknown"


@pytest.mark.parametrize(
    ("past", "to_do", "texts"),
    [
        ({"drivers": [OURS]}, (), []),
        ({"drivers": [OURS]}, ("nvidia_driver",), ["driver 580.178.04-1ubuntu1 in 1 packages"]),
        (
            {"drivers": [OTHER]},
            (),
            ["driver 535.274.02-0ubuntu0.24.04.1 in 2 packages, such as nvidia-utils-535, from no"],
        ),
        ({"runfile": "550.54.14"}, (), ["driver 550.54.14 of NVIDIA's installer"]),
        ({"dkms": ["nvidia 580.178.04", "nvidia 535.1"]}, (), ["DKMS: nvidia 535.1"]),
        ({"repositories": ["/etc/apt/x.list (http://m/)"]}, (), ["repository: /etc/apt/x.list (http://m/)"]),
        ({"engines": ["docker", "podman"]}, (), ["container engine: docker, podman"]),
        ({"conda": ["/opt/anaconda3"]}, (), ["conda: /opt/anaconda3"]),
        ({"port": ["jupyter-lab, pid 7"]}, (), ["port of the notebook server: jupyter-lab, pid 7"]),
    ],
)
def test_the_past_of_a_node(past: dict[str, Any], to_do: tuple[str, ...], texts: list[str]) -> None:
    answer = judge(found(node={"past": {**PAST, **past}}, to_do=to_do))
    assert len(answer["past"]) == len(texts)
    for said, words in zip(answer["past"], texts, strict=True):
        assert said.startswith(words)
    assert answer["ok"]


def test_a_clock_that_nothing_keeps_right_is_a_note() -> None:
    assert judge(found(node={"clock_synchronised": False}))["notes"][0].startswith("clock: nothing keeps it right")
    assert judge(found(node={"clock_synchronised": None}))["notes"] == []


@pytest.mark.parametrize(
    ("mib", "text"), [(0, "0M"), (1023, "1023M"), (1024, "1.0G"), (10240, "10G"), (1 << 20, "1.0T"), (11 << 20, "11T")]
)
def test_sizes(mib: int, text: str) -> None:
    assert size_of(mib) == text
