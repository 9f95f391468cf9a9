# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: whether the nodes of a run ask for the same mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mirror_agreement
short_description: Check that the nodes of a run ask for the same mirror
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - The role C(mirror) chooses one mirror of a list for all nodes of a run, so the list in C(evenkeel_mirror) must be
    the same on all of them. A single mirror may differ between nodes.
positional: hosts
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description: The names of the hosts of the run.
    type: list
    elements: str
    required: true
seealso:
  - plugin: evenkeel.gpu.conda_mirror
    plugin_type: module
    description: Chooses the mirror.
"""

EXAMPLES = r"""
- name: Show whether one mirror can be chosen for all nodes
  ansible.builtin.debug:
    msg: "{{ (hostvars | evenkeel.gpu.mirror_agreement(ansible_play_hosts)).ok }}"
"""

RETURN = r"""
_value:
  description: C(ok), and C(problem), the text for where it is false.
  type: dict
  sample: {ok: true, problem: ""}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import mirror_agreement


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"mirror_agreement": answering(mirror_agreement.check)}
