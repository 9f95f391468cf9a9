# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: what is wrong with the sources of environments, before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_problems
short_description: Return the problems of the sources of environments
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Reads, on the control node, the files that M(evenkeel.gpu.conda_environment) would get, and uses no network.
  - An environment without a lock is a warning, which is the same for all hosts and therefore shown once.
options:
  _terms:
    description:
      - One dictionary for each environment, as in the role's C(conda_environments_list). One without a source has the
        C(environment.yml) of its name; an absent one has none.
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
  architecture:
    description: The nodes' CPU architecture, as the kernel names it.
    type: str
    default: x86_64
  require_lock:
    description: Whether an environment without a lock is a problem.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Require a lock that is not older than what it was made from
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ query('evenkeel.gpu.environment_problems', {'name': 'ai-dev'}, directory='environments') }}"
"""

RETURN = r"""
_raw:
  description: A sentence for each environment with a problem.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import conda_platform
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import absolute, require_directory
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import (
    located,
    needs_directory,
    request_of,
    written,
)

WHY = "nodes that are set up later may get others"
HOW = (
    "Lock an environment.yml with playbook lock.yml and commit the lock; write a list of packages as an "
    "environment.yml, and an explicit file with conda list --explicit --sha256"
)


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look into the sources as the action conda_environment does."""

    def run(
        self,
        terms: list[Any],
        variables: dict[str, Any] | None = None,
        *,
        directory: str,
        channels: Sequence[str] = (),
        architecture: str = "x86_64",
        require_lock: bool = False,
    ) -> list[str]:
        try:
            require()
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
        present = [term for term in terms if term.get("state") != "absent"]
        if any(needs_directory(term) for term in present):
            working = Path.cwd()
            inventories = (variables or {}).get("ansible_inventory_sources") or []
            try:
                require_directory(absolute(directory, working), inventories, working)
            except EvenkeelError as error:
                return [str(error)]
        wrong: list[str] = []
        unlocked: list[str] = []
        for term in present:
            try:
                if not locked(located(term, directory, channels), conda_platform(architecture)):
                    unlocked.append(str(term["name"]))
            except EvenkeelError as error:
                wrong.append(f"{term['name']}: {error}")
        if unlocked and require_lock:
            wrong += [str(EvenkeelError(f"{name}: it has no lock, and one is required", HOW)) for name in unlocked]
        elif unlocked:
            warn(str(EvenkeelError(f"No lock fixes the packages of {', '.join(unlocked)}: {WHY}", HOW)))
        return wrong


def locked(arguments: Mapping[str, Any], platform: str) -> bool:
    """Return whether a file has the exact packages of an environment, with hashes.

    Raises
    ------
    EvenkeelError
        Something is wrong with its source.
    """
    if request_of(arguments, platform) is not None:
        return False
    _path, packages, _variables = written(arguments, platform, Path(constants.DEFAULT_LOCAL_TMP))
    return all(package.sha256 or package.md5 for package in packages if package.manager == CONDA)
