# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: the folder of this run's environments."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environments_directory
short_description: Return the folder of this run's environments
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Returns the nearest folder C(environments) above the inventory, up to the top of its repository, and otherwise the
    one in the directory that the run was started in. It is the same for all hosts and playbooks of a run.
options:
  _terms:
    description: None.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show where the environments are
  ansible.builtin.debug:
    msg: "{{ lookup('evenkeel.gpu.environments_directory') }}"
"""

RETURN = r"""
_raw:
  description: The path. The folder may be missing.
  type: list
  elements: path
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import default_directory


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look above the inventories of the run."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None) -> list[str]:
        try:
            require()
            return [str(default_directory((variables or {}).get("ansible_inventory_sources") or [], Path.cwd()))]
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
