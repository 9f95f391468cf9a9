# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the digests that locks declare."""

from __future__ import annotations

DOCUMENTATION = r"""
name: locked_digests
short_description: Return the digests that the locks of environments declare
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - A node has what a lock declares if M(evenkeel.gpu.conda_environment_info) returns the same digest. Asks no network.
positional: platform
options:
  _input:
    description: Environments with their sources, as P(evenkeel.gpu.environment_sources#filter) returns them.
    type: list
    elements: dict
    required: true
  platform:
    description: conda's name of the nodes' platform, such as V(linux-64).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the locks declare
  ansible.builtin.debug:
    msg: "{{ sources | evenkeel.gpu.locked_digests('linux-64') }}"
  vars:
    sources: "{{ conda_environments_list | evenkeel.gpu.environment_sources('environments') }}"
"""

RETURN = r"""
_value:
  description:
    - By name, each environment that is not to be absent, with its C(digest); or, where no lock has it, with C(why).
  type: dict
  sample: {ai-dev: {digest: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c}, minimal: {why: it has no lock}}
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import request_of, written


@answering
def locked_digests(environments: Iterable[Mapping[str, Any]], platform: str) -> dict[str, dict[str, str]]:
    """Return what locks declare for a platform, by environment."""
    present = [one for one in environments if one.get("state") != "absent"]
    return {str(one["name"]): _locked(one, platform) for one in present}


def _locked(environment: Mapping[str, Any], platform: str) -> dict[str, str]:
    try:
        if request_of(environment, platform) is not None:
            return {"why": "it has no lock"}
        _unused, packages, variables = written(environment, platform, Path(constants.DEFAULT_LOCAL_TMP))
    except EvenkeelError as error:
        return {"why": str(error)}
    if any(package.manager == CONDA and not package.sha256 for package in packages):
        return {"why": "its lock lacks the SHA-256 of packages"}
    return {"digest": digest(packages, variables)}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"locked_digests": locked_digests}
