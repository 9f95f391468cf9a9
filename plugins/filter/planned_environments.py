# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the environments that a list of the role conda_environments keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
name: planned_environments
short_description: Return the environments of conda_environments_list that are present
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Leaves out environments with the state C(absent). The roles C(jupyter) and C(remote_access) use it to know which
    environments there will be, before they are built.
options:
  _input:
    description: Environments as in C(conda_environments_list).
    type: list
    elements: dict
    required: true
seealso:
  - plugin: evenkeel.gpu.environment_kernels
    plugin_type: filter
    description: The Jupyter kernels for them.
"""

EXAMPLES = r"""
- name: Show the names of the environments that there will be
  ansible.builtin.debug:
    msg: "{{ conda_environments_list | evenkeel.gpu.planned_environments | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: Those environments, in their order.
  type: list
  elements: dict
  sample: [{name: ai-dev, lock: environments/ai-dev/conda-lock.yml}]
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


@answering
def planned_environments(environments: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the environments that are not to be absent."""
    return [one for one in environments if one.get("state") != "absent"]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"planned_environments": planned_environments}
