# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the CUDA version that the nodes of an environment support."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes_cuda
short_description: Return environment files with the CUDA version that their nodes support
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - The CUDA version is that of the oldest driver which the inventory declares for a node that has the environment in
    its C(conda_environments_list), or for any node where none has it. A driver is declared by
    C(nvidia_driver_version), C(nvidia_driver_branch), or the default of the role C(nvidia_driver), unless
    C(nvidia_driver_source) is C(distribution), C(nvidia_driver_without_gpu) is false, or C(nvidia_driver_state) is
    C(absent).
positional: hostvars, hosts, directory, default, given
options:
  _input:
    description: Paths of environment files.
    type: list
    elements: path
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description: The names of the nodes.
    type: list
    elements: str
    required: true
  directory:
    description: The folder of environments of nodes that have none of their own.
    type: path
    required: true
  default:
    description: The branch of the driver on a node that declares none.
    type: str
    default: ""
  given:
    description: The CUDA version of all environments; empty for none. If it is set, no variables of nodes are read.
    type: str
"""

EXAMPLES = r"""
- name: Show what an environment can rely on
  ansible.builtin.debug:
    msg: "{{ [file] | evenkeel.gpu.nodes_cuda(hostvars, groups.all, '/srv/environments') }}"
  vars:
    file: /srv/environments/ai-dev/environment.yml
"""

RETURN = r"""
_value:
  description:
    - For each file its path as C(environment); C(cuda), the version, empty where none is known; and C(reason), the
      driver that decides.
  type: list
  elements: dict
  sample: [{environment: environments/ai-dev/environment.yml, cuda: "13.0", reason: driver branch 580 of gpu01}]
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.plain import plain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import declared_driver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.listed import files_of, is_among
from jinja2.exceptions import TemplateError

_LIST = "conda_environments_list"
_DIRECTORY = "conda_environments_directory"
_DRIVER = (declared_driver.VERSION, declared_driver.BRANCH, declared_driver.SOURCE, declared_driver.WITHOUT_GPU)


@answering
def nodes_cuda(
    files: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Iterable[str],
    directory: str,
    default: str = "",
    given: str | None = None,
) -> list[dict[str, str]]:
    """Return the environment files with their CUDA version."""
    if given is not None:
        return [{"environment": file, "cuda": str(given), "reason": "lock_cuda"} for file in files]
    nodes = {str(host): _read(str(host), hostvars[host]) for host in hosts}
    drivers = {host: declared_driver.declared(variables, default) for host, variables in nodes.items()}
    lists = {host: json.dumps([node.get(_LIST, []), node.get(_DIRECTORY) or directory]) for host, node in nodes.items()}
    listed = {text: _listed(*json.loads(text)) for text in set(lists.values())}
    answers = []
    for file in files:
        have_it = {text for text, known in listed.items() if known is None or is_among(Path(file), known)}
        of_nodes = {host: driver for host, driver in drivers.items() if lists[host] in have_it}
        cuda = declared_driver.in_common(of_nodes or drivers)
        answers.append({"environment": str(file), "cuda": cuda.version, "reason": cuda.reason})
    return answers


def _listed(environments: list[dict[str, Any]] | None, directory: str) -> frozenset[str] | None:
    return None if environments is None else files_of(environments, directory)


def _read(host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a host's variables; None for a list that is known only in a run, and may hold any environment."""
    found: dict[str, Any] = {}
    for name in (_LIST, _DIRECTORY, *_DRIVER):
        try:
            if (value := variables.get(name)) is not None:
                str(value)  # fails where it is undefined, which is a value here
                found[name] = plain(value)
        except (AnsibleError, TemplateError) as error:
            if name in _DRIVER:
                raise EvenkeelError(
                    f"{name} of {host} can't be known without facts of the node: {error}",
                    "Set lock_cuda to the CUDA version that all drivers support",
                ) from error
            found[name] = None
    return found


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"nodes_cuda": nodes_cuda}
