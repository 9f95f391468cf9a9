# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a host, of what its survey has found."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import layers

LOCK = {"file": "environments/ai-dev/conda-lock.yml", "sha256": "a" * 64, "commit": None, "dirty": None}
KERNELS = [
    {"release": "6.1.0-1", "running": True, "modules": [{"version": "570.1", "flavour": "open"}]},
    {"release": "6.1.0-2", "running": False, "modules": []},
]


def survey(*asked: str, facts: Any = None, items: Any = None, **found: Any) -> dict[str, Any]:
    return {
        "asked": list(asked),
        "layers": found,
        "items": items or {},
        "ansible_facts": {"evenkeel_gpu": facts or {}},
    }


def of(result: dict[str, Any], **declared: Any) -> dict[str, Any]:
    return layers.of_host(result, declared, {"ai-dev": LOCK})


def test_only_what_is_declared_has_a_layer() -> None:
    assert of(survey("condarc", jupyter={})).keys() == {"condarc"}


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ({}, "equal"),
        ({"warnings": ["w"], "user_problems": {"ana": ["full"]}, "restarts": ["a"]}, "equal"),
        ({"changes": [{"task": "condarc"}]}, "drifted"),
        ({"unknown": ["x"]}, "unknown"),
        ({"problems": ["x"]}, "unknown"),
        ({"changes": [{"task": "condarc"}], "problems": ["x"]}, "unknown"),
    ],
)
def test_the_state_of_a_layer(found: dict[str, Any], state: str) -> None:
    assert of(survey("condarc", condarc=found))["condarc"]["state"] == state


def test_texts_of_a_layer() -> None:
    found = {
        "changes": [{"task": "condarc", "plan": ["p"], "diff": {"before": "a", "after": "b"}}],
        "problems": ["x", "x"],
        "warnings": ["w"],
        "user_problems": {"ana": ["full"]},
    }
    layer = of(survey("condarc", condarc=found))["condarc"]
    diff = "--- before\n+++ after\n@@ -1 +1 @@\n-a\n+b\n"
    assert layer["changes"] == [{"what": "condarc", "why": ["p"], "diff": diff}]
    assert (layer["problems"], layer["notes"]) == (["x"], ["w", "ana: full"])


def test_each_environment_is_a_layer_with_what_declares_it() -> None:
    state = {"digest": "new", "generation": "/g/new", "was": "old"}
    change = {"task": "conda_environment ai-dev", "plan": ["+ numpy"], "diff": {"prepared": "+ numpy\n"}}
    items = {
        "": {"changes": [{"task": "conda_runtime"}]},
        "ai-dev": {"changes": [change], "state": {"conda_environment ai-dev": state}},
        "llm": {},
    }
    found = of(survey("conda_environments", items={"conda_environments": items}))
    assert list(found) == ["environments", "environment:ai-dev", "environment:llm"]
    assert [one["state"] for one in found.values()] == ["drifted", "drifted", "equal"]
    layer = found["environment:ai-dev"]
    assert (layer["found"], layer["declared"]) == ({"digest": "old"}, {"digest": "new", "generation": "/g/new"})
    assert layer["provenance"] == LOCK
    assert layer["changes"] == [{"what": change["task"], "why": [], "diff": "+ numpy\n"}]
    assert found["environment:llm"]["provenance"] == {}


def test_where_a_build_came_from_makes_no_node_unlike_another() -> None:
    def layer(**origin: str) -> dict[str, Any]:
        state = {"digest": "d", "generation": "/g/d", "was": "d", "origin": origin}
        items = {"": {}, "ai-dev": {"state": {"conda_environment ai-dev": state}}}
        found: dict[str, Any] = of(survey("conda_environments", items={"conda_environments": items}))[
            "environment:ai-dev"
        ]
        return found

    one, other = layer(evenkeel="0.2.0", built="2026-01-01"), layer()
    assert (one["origin"], other["origin"]) == ({"evenkeel": "0.2.0", "built": "2026-01-01"}, {})
    assert one["digest"] == other["digest"]


def test_driver_and_cuda_are_what_the_node_has() -> None:
    facts = {
        "driver": {"installed": "570.1", "installed_flavour": "open", "loaded": "570.1"},
        "cuda": {"toolkits": [{"version": "12.8"}], "default": "/usr/local/cuda-12.8"},
    }
    state = {"cuda_toolkit": {"toolkits": ["13.0"], "default": "13.0"}}
    found = of(
        survey("nvidia_driver", "cuda_toolkit", facts=facts, cuda_toolkit={"state": state}),
        driver={"version": "", "branch": "580", "flavour": "open"},
    )
    assert found["driver"]["found"] == {"version": "570.1", "flavour": "open", "loaded": "570.1"}
    assert found["driver"]["declared"] == {"version": "580", "flavour": "open"}
    assert found["cuda"]["found"] == {"toolkits": ["12.8"], "default": "/usr/local/cuda-12.8"}
    assert found["cuda"]["declared"] == {"toolkits": ["13.0"], "default": "13.0"}


def test_what_a_module_would_make_is_not_there_yet() -> None:
    state = {"conda_distribution": {"home": "/opt/evenkeel/distributions/new"}}
    equal = of(survey("miniconda", miniconda={"state": state}))["distribution"]
    other = of(survey("miniconda", miniconda={"state": state, "changes": [{"task": "t"}]}))["distribution"]
    assert (equal["found"], other["found"]) == ({"home": "/opt/evenkeel/distributions/new"}, {})
    assert equal["declared"] == other["declared"]


def test_a_due_reboot_is_a_drift_of_the_kernel() -> None:
    assert of(survey(facts={"kernels": KERNELS}))["kernel"]["state"] == "equal"
    found = of(survey(facts={"kernels": KERNELS}, nvidia_driver={"reboot": ["the driver changed"]}))["kernel"]
    assert found["state"] == "drifted"
    assert found["changes"] == [{"what": "reboot", "why": ["the driver changed"], "diff": ""}]
    assert found["found"] == {"running": "6.1.0-1", "modules": ["6.1.0-1: 570.1 open", "6.1.0-2: none"]}


def test_layers_that_are_alike_have_one_digest() -> None:
    def digest(**found: Any) -> str:
        return str(of(survey("condarc", condarc=found))["condarc"]["digest"])

    change = {"task": "condarc", "diff": {"before": "a", "after": "b"}}
    assert digest() == digest(warnings=["only noted"])
    assert digest(changes=[change]) == digest(changes=[change]) != digest()
    assert digest(changes=[change]) != digest(changes=[{**change, "diff": {"before": "x", "after": "b"}}])


def test_layers_stand_bottom_up_environments_by_name() -> None:
    ids = ["jupyter", "environment:b", "environment:a", "kernel", "driver", "environments"]
    assert [one["id"] for one in layers.titled(ids)] == [
        *("driver", "kernel", "environments", "environment:a", "environment:b", "jupyter"),
    ]
    assert layers.titled(["environment:a"]) == [{"id": "environment:a", "title": "Environment a"}]
