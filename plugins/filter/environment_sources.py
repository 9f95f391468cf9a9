# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: where the sources of environments are."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_sources
short_description: Return environments with their sources as M(evenkeel.gpu.conda_environment) takes them
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Makes paths of the names of files. An environment without a source has the C(environment.yml) of its name.
positional: directory, channels
options:
  _input:
    description: Environments as in C(conda_environments_list).
    type: list
    elements: dict
    required: true
  directory:
    description: The directory of sources that are not absolute paths.
    type: path
    required: true
  channels:
    description: The channels of environments with C(packages) but no C(channels).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show where the environments are described
  ansible.builtin.debug:
    msg: "{{ conda_environments_list | evenkeel.gpu.environment_sources('environments') }}"
"""

RETURN = r"""
_value:
  description: The environments, in their order.
  type: list
  elements: dict
  sample: [{name: ai-dev, environment: environments/ai-dev/environment.yml}]
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import located


@answering
def environment_sources(
    environments: Iterable[Mapping[str, Any]], directory: str, channels: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return environments with their sources as the module takes them."""
    return [located(one, directory, channels) for one in environments]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"environment_sources": environment_sources}
