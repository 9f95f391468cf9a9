# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the installer that a distribution and a version mean."""

from __future__ import annotations

DOCUMENTATION = r"""
name: conda_installer
short_description: Return the installer of a conda distribution, with its checksum
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Finds the installer in the collection's list of known ones, C(plugins/plugin_utils/data/installers.tsv).
positional: version, architecture
options:
  _input:
    description: The distribution, V(miniconda) or V(miniforge).
    type: str
    required: true
  version:
    description:
      - V(latest-known), the newest in the list; a Python, such as V(py313), for the newest with it; or an exact
        version, such as V(py313_26.5.3-1) of Miniconda and V(26.3.2-3) of Miniforge, which need not be in the list.
    type: str
    required: true
  architecture:
    description: The node's CPU architecture, V(x86_64) or V(aarch64).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what would be installed
  ansible.builtin.debug:
    msg: "{{ 'miniconda' | evenkeel.gpu.conda_installer('py313', 'x86_64') }}"
"""

RETURN = r"""
_value:
  description:
    - C(file), its name; C(path), its path below the distribution's base URL; C(sha256), empty if it is not in the list;
      C(python), C(version) and C(architecture).
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import installers


@answering
def conda_installer(distribution: str, version: str, architecture: str) -> dict[str, str]:
    """Return the installer that a distribution and a version mean.

    Raises
    ------
    AnsibleFilterError
        There is none.
    """
    return installers.choose(distribution, version, architecture, installers.known()).as_dict()


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"conda_installer": conda_installer}
