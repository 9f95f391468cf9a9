# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: which environments have a lock without a package."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environments_lacking
short_description: Return the locked environments that lack a package
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Reads, on the control node, the locks and explicit files that M(evenkeel.gpu.conda_environment) would get, and uses
    no network. What is lacking is so known before anything is built.
  - The packages of an environment without a lock are not known before it is solved; it is never returned. Neither is
    one with an error in its files, which P(evenkeel.gpu.environment_problems#lookup) reports.
options:
  _terms:
    description: One dictionary for each environment, as in the role's C(conda_environments_list).
    type: list
    elements: dict
    required: true
  package:
    description: The name of a package of conda or pip.
    type: str
    required: true
  directory:
    description: The directory of sources that are not absolute paths.
    type: path
    required: true
  architecture:
    description: The nodes' CPU architecture, as the kernel names it.
    type: str
    default: x86_64
seealso:
  - plugin: evenkeel.gpu.environment_problems
    plugin_type: lookup
    description: Returns what is wrong with the files themselves.
"""

EXAMPLES = r"""
- name: Show the environments that can't be a kernel
  ansible.builtin.debug:
    msg: >-
      {{ query('evenkeel.gpu.environments_lacking', {'name': 'ai-dev'}, package='ipykernel',
               directory='environments') }}
"""

RETURN = r"""
_raw:
  description: The names of environments.
  type: list
  elements: str
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import conda_platform
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import located, request_of, written


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look into the locks as the action conda_environment does."""

    def run(
        self,
        terms: list[Any],
        variables: dict[str, Any] | None = None,
        *,
        package: str,
        directory: str,
        architecture: str = "x86_64",
    ) -> list[str]:
        try:
            require()
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
        platform = conda_platform(architecture)
        present = [term for term in terms if term.get("state") != "absent"]
        return [str(term["name"]) for term in present if lacks(term, package, directory, platform)]


def lacks(term: Mapping[str, Any], package: str, directory: str, platform: str) -> bool:
    """Return whether the exact packages of an environment are known, and ``package`` is not among them."""
    try:
        source = located(term, directory)
        if request_of(source, platform) is not None:
            return False
        _path, packages, _variables = written(source, platform, Path(constants.DEFAULT_LOCAL_TMP))
    except EvenkeelError:
        return False
    return package not in {one.name for one in packages}
