# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what is wrong with the names of environments."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_name_problems
short_description: Return what is wrong with the names of environments
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Names what M(evenkeel.gpu.conda_environment) does not take, and what several environments are called.
options:
  _input:
    description: The names.
    type: list
    elements: str
    required: true
seealso:
  - plugin: evenkeel.gpu.environment_problems
    plugin_type: lookup
    description: What is wrong with their sources.
"""

EXAMPLES = r"""
- name: Require names that environments can have
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: "{{ ['ai-dev', 'base'] | evenkeel.gpu.environment_name_problems }}"
"""

RETURN = r"""
_value:
  description: A sentence for each problem.
  type: list
  elements: str
  sample: ["name is 'base', which is the distribution's own environment. Choose another name; base stays clean."]
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


@answering
def environment_name_problems(names: Iterable[Any]) -> list[str]:
    """Return a sentence for each name that no environment can have, or that several have."""
    found: list[str] = []
    for name, count in Counter(map(str, names)).items():
        try:
            environment.check_name(name)
        except EvenkeelError as error:
            found.append(str(error))
        if count > 1:
            found.append(f"name is {name!r} {count} times. Rename or remove the duplicates.")
    return found


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"environment_name_problems": environment_name_problems}
