# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the roles that a run's tags select."""

from __future__ import annotations

DOCUMENTATION = r"""
name: roles_of_tags
short_description: Return the roles that a run's tags select
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Returns those of a list of roles that a run with C(--tags) and C(--skip-tags) runs, if each role has its name as a
    tag.
positional: run, skip
options:
  _input:
    description: Names of roles.
    type: list
    elements: str
    required: true
  run:
    description: The tags that are run, as Ansible's C(ansible_run_tags) has them.
    type: list
    elements: str
    required: true
  skip:
    description: The tags that are skipped, as Ansible's C(ansible_skip_tags) has them.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what runs
  ansible.builtin.debug:
    msg: "{{ ['miniconda', 'jupyter'] | evenkeel.gpu.roles_of_tags(ansible_run_tags, ansible_skip_tags) }}"
"""

RETURN = r"""
_value:
  description: The names of the selected roles.
  type: list
  elements: str
  sample: [jupyter]
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


def selected(roles: Iterable[str], run: Collection[str], skip: Collection[str]) -> list[str]:
    """Return the roles that tags select, by Ansible's rules for a task whose one tag is the role's name."""
    return [role for role in roles if {"all", "tagged", role} & {*run} and not {"all", "tagged", role} & {*skip}]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"roles_of_tags": answering(selected)}
