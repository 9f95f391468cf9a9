# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: which nodes have other environments than the rest, and how they differ."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compare_environments
short_description: Return which nodes have different environments, and how they differ
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Groups nodes by the digest of each environment. The other groups are compared with the largest; of two equally large
    groups, with the one that contains the first node.
positional: locks, unread
options:
  _input:
    description: What M(evenkeel.gpu.conda_environment_info) returned as RV(environments), by node.
    type: dict
    required: true
  locks:
    description: By node, what P(evenkeel.gpu.locked_digests#filter) returned for it.
    type: dict
    default: {}
    version_added: 0.2.0
  unread:
    description: The nodes that could not be read, and why.
    type: dict
    default: {}
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: Show how the nodes differ
  ansible.builtin.debug:
    msg: "{{ dict(ansible_play_hosts | zip(found)) | evenkeel.gpu.compare_environments }}"
  vars:
    found: "{{ ansible_play_hosts | map('extract', hostvars, ['registered', 'environments']) }}"
"""

RETURN = r"""
_value:
  description:
    - C(equal), whether every node has the same environments, undrifted, and C(lines), the same as text, after the
      reasons why some have no lock; C(locked), whether every node has what its locks declare, undrifted; and C(table),
      the lines of a table that shows, for each environment, which nodes have it as locked, and which nodes could not be
      read.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleTypeError
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import changes, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitise
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import origin
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output import comparison


@answering
def compare_environments(
    nodes: Mapping[str, Sequence[Mapping[str, Any]]],
    locks: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
    unread: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Compare the environments of nodes.

    Parameters
    ----------
    nodes
        By node, a list of environments with ``name``, ``digest``, ``packages`` and ``drift``.
    locks
        By node and environment, its ``digest``, or ``why`` no lock has one.
    unread
        By node, why it could not be read.

    Returns
    -------
    dict
        ``equal`` and ``locked`` (bool), ``lines`` and ``table`` (list of str).

    Raises
    ------
    AnsibleTypeError
        The input has another shape.
    """
    try:
        found = {node: {one["name"]: one for one in environments} for node, environments in nodes.items()}
        names = sorted({name for environments in found.values() for name in environments})
        reports = [_compare(name, {node: found[node].get(name) for node in sorted(found)}) for name in names]
        rows = comparison.rows(found, locks or {})
        unlocked = comparison.without_lock(locks or {})
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleTypeError(
            f"compare_environments takes, by node, what conda_environment_info returns as environments: {error!r}"
        ) from error
    lines = [sanitise(line) for _unused, lines in reports for line in lines]
    return {
        "equal": all(equal for equal, _unused in reports),
        "lines": [*unlocked, *lines],
        "locked": not any(state in comparison.WRONG for _name, state, _digest in rows),
        "table": comparison.table(rows, unread or {}),
    }


def _compare(name: str, nodes: Mapping[str, Mapping[str, Any] | None]) -> tuple[bool, list[str]]:
    """Return whether all nodes have the same of one environment, and the lines that report it."""
    groups: dict[str, list[str]] = {}
    for node, environment in nodes.items():
        groups.setdefault(environment["digest"] if environment else "", []).append(node)
    drifted = [node for node, environment in nodes.items() if environment and environment["drift"]]
    if len(groups) == 1 and not drifted:
        same = f"{name}: the same on all {len(nodes)} nodes, digest {next(iter(groups))[:16]}"
        return True, [same, *_origins(nodes, next(iter(groups.values())))]

    standard = max((digest for digest in groups if digest), key=lambda digest: len(groups[digest]))
    lines = [f"{name}: {len(groups)} digests on {len(nodes)} nodes" if len(groups) > 1 else f"{name}: drifted"]
    for digest in sorted(groups, key=lambda digest: (digest != standard, not digest, -len(groups[digest]))):
        lines.append(f"  {digest[:16] or 'absent'}: {', '.join(groups[digest])}")
        lines += [f"  {line}" for line in _origins(nodes, groups[digest])]
        if digest and digest != standard:
            lines += [
                f"    {line}" for line in changes(_packages(nodes, groups[standard]), _packages(nodes, groups[digest]))
            ]
    for node in drifted:
        environment = nodes[node] or {}
        lines.append(f"  drifted on {node}:")
        lines += [f"    {line}" for line in environment["drift"]]
    return False, lines


def _origins(nodes: Mapping[str, Mapping[str, Any] | None], group: Sequence[str]) -> list[str]:
    """Return what the nodes of a group have recorded of where their build came from, each origin once."""
    origins: dict[str, list[str]] = {}
    for node in group:
        text = origin.sentence((nodes[node] or {}).get("origin") or {})
        origins.setdefault(text, []).append(node)
    on = {text: f" on {', '.join(found)}" if len(origins) > 1 else "" for text, found in origins.items()}
    return [f"  built from {text}{on[text]}" for text in origins if text]


def _packages(nodes: Mapping[str, Mapping[str, Any] | None], group: Sequence[str]) -> list[Any]:
    """Return the packages of the first node of a group."""
    return [from_mapping(fields) for fields in (nodes[group[0]] or {})["packages"]]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"compare_environments": compare_environments}
