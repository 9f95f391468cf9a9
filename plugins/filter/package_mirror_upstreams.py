# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what a package mirror of the site serves."""

from __future__ import annotations

DOCUMENTATION = r"""
name: package_mirror_upstreams
short_description: Return what a package mirror serves, and from where
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Returns the paths of a package mirror with the upstream of each, as M(evenkeel.gpu.package_mirror) takes them. Nodes
    that use the mirror expect these paths.
options:
  _input:
    description:
      - Where the mirror has conda's channels and installers from, as P(evenkeel.gpu.conda_mirror#filter) takes it. From
        another package mirror, a mapping with C(host), it has NVIDIA's repositories and the package index too.
    type: raw
    required: true
  pip_index:
    description: The package index; by default that of the mirror in the input.
    type: str
    default: ""
  pip_files:
    description: How links in the index's pages begin where they lead to another host.
    type: list
    elements: str
    default: []
  further:
    description: By path, further upstreams, or others than these. An empty URL removes one.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what a mirror would serve
  ansible.builtin.debug:
    msg: "{{ 'tuna' | evenkeel.gpu.package_mirror_upstreams(further={'debian': 'https://ftp.example.org/debian'}) }}"
"""

RETURN = r"""
_value:
  description: For each C(path) its C(url); of a package index also that it has C(pages), and their C(links).
  type: list
  elements: dict
  sample: [{path: anaconda/cloud, url: "https://conda.anaconda.org"}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import site_mirror


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"package_mirror_upstreams": answering(site_mirror.upstreams)}
