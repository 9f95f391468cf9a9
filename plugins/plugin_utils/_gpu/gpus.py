# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What is known of a GPU by its PCI device id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

DATA = Path(__file__).parents[1] / "data" / "gpus.yml"
UNKNOWN = "unknown"


def describe(device_id: str) -> dict[str, Any]:
    """Return the model and the rules of a GPU.

    Parameters
    ----------
    device_id
        As sysfs writes it, such as ``0x1db1``.

    Returns
    -------
    dict
        ``name``, ``generation``, ``flavours``, ``required_flavour``, ``min_branch``, ``min_version``, ``unknown_to``,
        ``max_branch``, ``max_cuda``, as the module ``gpu_facts`` documents them.
    """
    data = read_mapping(DATA)
    number = int(device_id, 16)
    found = [entry for entry in data["ranges"] if entry["first"] <= number <= entry["last"]]
    rules = {**data["generations"][found[-1]["generation"]], **found[-1]} if found else {}
    flavours = list(rules.get("flavours", []))
    least = rules.get("min_version", "")
    return {
        "name": data["names"].get(device_id.lower(), ""),
        "generation": rules.get("generation", UNKNOWN),
        "flavours": flavours,
        "required_flavour": flavours[0] if len(flavours) == 1 else "",
        "min_branch": int(least.partition(".")[0]) if least else None,
        "min_version": least,
        "unknown_to": dict(rules.get("unknown_to", {})),
        "max_branch": rules.get("max_branch"),
        "max_cuda": rules.get("max_cuda", ""),
    }


def of_node(gpus: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the GPUs that are the node's own, and not passed through to virtual machines."""
    return [gpu for gpu in gpus if not gpu["passed_through"]]


def merged(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a node's module found, with what is known of its GPUs."""
    return {**facts, "gpus": [{**gpu, **known(gpu)} for gpu in facts["gpus"]]}


def known(gpu: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a GPU; a name that its driver reports is preferred."""
    rules = describe(gpu["device_id"])
    return {**rules, "name": gpu["name"] or rules["name"]}
