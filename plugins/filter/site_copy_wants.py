# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what a copy of exactly the packages of a site has to hold."""

from __future__ import annotations

DOCUMENTATION = r"""
name: site_copy_wants
short_description: Return what a copy of exactly the packages of a site has to hold
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Reads locks on the control node, and makes the choices of packages that the roles make on nodes. Returns them as
    M(evenkeel.gpu.site_copy) takes them.
options:
  _input:
    description: What is wanted, as the variable C(package_mirror_copy) of the role C(package_mirror) has it.
    type: dict
    required: true
  upstreams:
    description: What P(evenkeel.gpu.package_mirror_upstreams#filter) returns.
    type: list
    elements: dict
    required: true
  directory:
    description: The folder of environments, as P(evenkeel.gpu.environments_directory#lookup) returns it.
    type: str
    required: true
  variable:
    description: The variable that says what is wanted, for messages.
    type: str
    default: package_mirror_copy
"""

EXAMPLES = r"""
- name: Show what a copy would hold
  ansible.builtin.debug:
    msg: "{{ {'installers': ['miniconda']} | evenkeel.gpu.site_copy_wants(upstreams, 'environments') }}"
  vars:
    upstreams: "{{ 'anaconda' | evenkeel.gpu.package_mirror_upstreams }}"
"""

RETURN = r"""
_value:
  description: Lists of C(files), of packages of C(conda) and of C(pip), and of sets of C(packages) of distributions.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.plain import plain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._site_copy.specified import VARIABLE
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._site_copy.wants import wants


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {
            "site_copy_wants": answering(
                lambda asked, upstreams, directory, variable=VARIABLE: wants(
                    plain(asked), plain(upstreams), str(directory), str(variable)
                )
            )
        }
