# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: how old the collection's data on drivers, GPUs and CUDA is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: data_ages
short_description: Return the age of the collection's data
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - The collection knows versions of drivers, GPUs and CUDA toolkits from data that was read on a certain day. What was
    published since then is unknown to it.
options:
  _terms:
    description: None.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show how old the data is
  ansible.builtin.debug:
    msg: "{{ query('evenkeel.gpu.data_ages') }}"
"""

RETURN = r"""
_raw:
  description: The data files, the oldest first.
  type: list
  elements: dict
  contains:
    name: {description: "The file's name below C(plugins/plugin_utils/data).", type: str, sample: nvidia_branches}
    read: {description: "The day or the month in which its sources were read.", type: str, sample: "2026-09"}
    days: {description: "How many days ago that was; of a month, since its first day.", type: int}
"""

from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.data_ages import ages


class LookupModule(LookupBase):  # type: ignore[misc]
    """Read the dates in the data files."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        try:
            require()
            return ages(datetime.now(UTC).date())
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
