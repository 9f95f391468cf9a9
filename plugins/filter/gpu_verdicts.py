# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the results of GPU checks, for people and for programs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gpu_verdicts
short_description: Summarise checks of GPUs
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Combines the results of P(evenkeel.gpu.gpu_check#module) on several nodes.
options:
  _input:
    description: The results of each node, one for each environment that was checked, by the node's name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the verdict on a node
  ansible.builtin.debug:
    msg: "{{ ({inventory_hostname: [checked]} | evenkeel.gpu.gpu_verdicts).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(nodes), by name C(ok), C(present), C(verdict), C(problems), C(cuda), C(gpus) and C(frameworks); and C(lines),
      the same as text.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


@answering
def gpu_verdicts(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the verdict on each node."""
    nodes = {node: joined(checks) for node, checks in results.items()}
    shown = [line for node, found in nodes.items() for line in lines(node, found)]
    verdicts: dict[str, Any] = sanitised({"nodes": nodes, "lines": shown})
    return verdicts


def joined(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the checks of a node as one; a check that did not come to a verdict is a problem by its message."""
    last = next((check for check in checks if check.get("gpus")), checks[0])
    problems = [problem for check in checks for problem in check.get("problems", [check.get("msg", "not checked")])]
    return {
        "ok": not problems,
        "present": last.get("present", False),
        "verdict": " ".join(dict.fromkeys(problems)) or last["verdict"],
        "problems": list(dict.fromkeys(problems)),
        "cuda": last.get("cuda", ""),
        "gpus": list(last.get("gpus", [])),
        "frameworks": [
            {"environment": check.get("item", ""), **one} for check in checks for one in check.get("frameworks", [])
        ],
    }


def lines(node: str, found: Mapping[str, Any]) -> list[str]:
    """Return a node's verdict, its GPUs and its frameworks as lines."""
    cuda = f", CUDA {found['cuda']}" if found["cuda"] else ""
    head = f"{node}: {found['verdict']}{cuda}" if found["ok"] else f"{node}: FAILED{cuda}"
    gpus = [
        f"  {gpu['address']} {gpu['name']}, {gpu['memory_mib']} MiB, {gpu['to_gpu_gbps']:.1f} GB/s to it,"
        f" {gpu['from_gpu_gbps']:.1f} GB/s from it"
        for gpu in found["gpus"]
    ]
    frameworks = [
        f"  {one['environment']}: {one['name']} {one['version']} sees {one['gpus']}" for one in found["frameworks"]
    ]
    return [head, *gpus, *frameworks, *(f"  ! {problem}" for problem in found["problems"])]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"gpu_verdicts": gpu_verdicts}
