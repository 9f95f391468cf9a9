# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What ``scontrol show nodes --json`` says of a cluster's nodes, as variables of hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_NAME = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]*")
_GPUS = re.compile(r"gpu(?::(?P<type>[^:(]+))?:(?P<count>\d+)(?:\([^)]*\))?")


def hosts(text: str, wanted: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the variables of each node.

    Parameters
    ----------
    text
        The answer; https://slurm.schedmd.com/rest_api.html describes its nodes.
    wanted
        Only these nodes; without it all.

    Raises
    ------
    EvenkeelError
        The answer is none, or a node in ``wanted`` is not in it.
    """
    try:
        nodes = json.loads(text)["nodes"]
        found = {node["name"]: _variables(node) for node in nodes}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvenkeelError(
            f"Slurm's answer is no JSON with nodes ({type(error).__name__}: {error})",
            "The answer must be that of scontrol show nodes --json, of Slurm 23.02 or newer",
        ) from error
    for name in found:
        for text in (name, found[name].get("ansible_host", name)):
            if not isinstance(text, str) or not _NAME.fullmatch(text):
                raise EvenkeelError(f"{text!r} is neither a name nor an address of a node", "Change it in slurm.conf")
    if missing := [name for name in wanted if name not in found]:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise EvenkeelError(
            f"Slurm has no node {', '.join(missing[:5])}{more}", "Change the option nodes, or add them to slurm.conf"
        )
    return {name: found[name] for name in wanted or found}


def _variables(node: Mapping[str, Any]) -> dict[str, Any]:
    gpus = [gpu for entry in re.split(r",(?![^(]*\))", node.get("gres") or "") if (gpu := _GPUS.fullmatch(entry))]
    address = node.get("address") or node["name"]
    return {
        **({"ansible_host": address} if address != node["name"] else {}),
        "slurm_cpus": node.get("cpus", 0),
        "slurm_features": _list(node.get("features")),
        "slurm_gpu_types": sorted({gpu["type"].lower() for gpu in gpus if gpu["type"]}),
        "slurm_gpus": sum(int(gpu["count"]) for gpu in gpus),
        "slurm_memory_mib": node.get("real_memory", 0),
        "slurm_partitions": _list(node.get("partitions")),
        "slurm_reason": node.get("reason") or "",
        "slurm_state": [state.lower() for state in _list(node.get("state"))],
    }


def _list(value: Any) -> list[str]:
    """Return a list; older releases have text with commas."""
    return [one for one in value.split(",") if one] if isinstance(value, str) else list(value or [])
