# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: where a package mirror of the site has a repository."""

from __future__ import annotations

DOCUMENTATION = r"""
name: package_mirror_repository
short_description: Return the URL of a repository on a package mirror of the site
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Returns an empty text for a mirror of conda's channels alone, which is not named by its host.
options:
  _input:
    description: The mirror, as the variable C(evenkeel_mirror) has it.
    type: raw
    required: true
  path:
    description: The path on the mirror, such as C(nvidia/cuda).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where NVIDIA's repositories are
  ansible.builtin.debug:
    msg: "{{ {'host': 'mirror.example.com'} | evenkeel.gpu.package_mirror_repository('nvidia/cuda') }}"
"""

RETURN = r"""
_value:
  description: The base URL, or an empty text.
  type: str
  sample: http://mirror.example.com:8008/nvidia/cuda
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import site_mirror


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"package_mirror_repository": answering(site_mirror.repository)}
