# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: where Evenkeel keeps files of a site on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: site_directory
short_description: Return where Evenkeel keeps files of a site on the control node
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - For the inventory C(inventories/mine), that is C(inventories/.evenkeel/mine), and for the inventory
    C(/srv/site/hosts.yml) it is C(/srv/site/.evenkeel). Ansible reads no hosts from a folder with such a name.
  - For a host of no inventory, it is C(.evenkeel) in the directory that the run was started in.
options:
  _terms:
    description: Names of files or folders there.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the certificate authority is
  ansible.builtin.debug:
    msg: "{{ lookup('evenkeel.gpu.site_directory', 'ca') }}"
"""

RETURN = r"""
_raw:
  description: The path of each name. It may be missing.
  type: list
  elements: path
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.site_directory import of_host


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look beside the host's inventory."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None) -> list[str]:
        try:
            require()
            return [str(of_host(variables or {}) / str(term)) for term in terms]
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
