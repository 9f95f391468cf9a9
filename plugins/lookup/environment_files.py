# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: the environment files that a run of lock.yml, compile.yml or review.yml is for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_files
short_description: Return the environment files in a folder
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Environment files are C(environment.yml), C(environment.yaml), and every other file with the ending C(.yml) or
    C(.yaml) that has a list C(dependencies). Locks are none.
options:
  _terms:
    description:
      - Folders and files, as paths below O(directory) or the directory that the run was started in. The ending of a
        file may be left out. When there is none, all files in O(directory) and its folders are returned.
    type: list
    elements: str
    default: []
  directory:
    description: The folder of environments.
    type: path
    required: true
  variable:
    description: The variable that names folders and files, for messages.
    type: str
    default: lock_env
"""

EXAMPLES = r"""
- name: Show what can be locked
  ansible.builtin.debug:
    msg: "{{ query('evenkeel.gpu.environment_files', directory='environments') }}"
"""

RETURN = r"""
_raw:
  description: Paths of files; at least one.
  type: list
  elements: path
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import (
    absolute,
    environments_to_lock,
    require_directory,
)


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look into the folder of environments."""

    def run(
        self,
        terms: list[str],
        variables: dict[str, Any] | None = None,
        *,
        directory: str,
        variable: str = "lock_env",
    ) -> list[str]:
        working = Path.cwd()
        place = absolute(directory, working)
        try:
            require()
            require_directory(place, (variables or {}).get("ansible_inventory_sources") or [], working)
            found = [path for name in terms or [""] for path in environments_to_lock(place, name, working, variable)]
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
        return [str(path) for path in dict.fromkeys(found)]
