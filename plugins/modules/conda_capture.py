#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: an environment that a node has, written down. All of it is an action, on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_capture
short_description: Write files for an environment that a node has, so that every node can have it
version_added: 0.1.0
description:
  - Takes the result of M(evenkeel.gpu.conda_environment_info) for an environment, and writes an C(environment.yml) with
    the requested packages, and beside it the C(conda-lock.yml) with exactly the packages of the node.
  - The requested conda packages come from the environment's history. If the history lacks them, the packages that no
    other package needs are listed with their versions; the same is done for packages that a clone of another
    environment has copied. pip packages are all listed with their versions.
  - pip does not record the hashes of what it installs, so the lock uses the hashes that the index has for these
    versions now.
  - An environment with packages that other nodes can't get, such as one from a file or an editable project, is refused.
    So is an existing file with other contents.
  - Runs on the control node, regardless of the task's host, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  become:
    support: none
requirements:
  - py-rattler and uv on the control node
options:
  found:
    description: One of the RV(evenkeel.gpu.conda_environment_info#module:environments) of the node.
    type: dict
    required: true
  platform:
    description: The node's RV(evenkeel.gpu.conda_environment_info#module:platform).
    type: str
    required: true
  virtual_packages:
    description: The node's RV(evenkeel.gpu.conda_environment_info#module:virtual_packages).
    type: dict
    required: true
  path:
    description: The C(environment.yml) to write, on the control node. Its folder is created.
    type: path
    required: true
  mirrors:
    description:
      - URL prefixes and their replacements on the nodes. The files contain the channels' original URLs, also of what
        came from another known mirror.
    type: dict
    default: {}
  pip_index:
    description: URL of the package index (simple API). When empty, uv's own configuration applies.
    type: str
    default: ''
  pip_indexes:
    description:
      - URLs of the indexes that pip packages came from besides O(pip_index). pip does not record which one it was. They
        are asked first, and stand in the C(environment.yml).
    type: list
    elements: str
    default: []
seealso:
  - module: evenkeel.gpu.conda_lock
    description: Locks an environment that is written by hand.
  - module: evenkeel.gpu.conda_environment
    description: Builds what was captured on every node.
"""

EXAMPLES = r"""
- name: Read an environment that a user made
  evenkeel.gpu.conda_environment_info:
    prefix: /home/ada/miniconda3/envs/nlp
  register: seen

- name: Write its files
  evenkeel.gpu.conda_capture:
    found: "{{ seen.environments[0] }}"
    platform: "{{ seen.platform }}"
    virtual_packages: "{{ seen.virtual_packages }}"
    path: environments/nlp/environment.yml
"""

RETURN = r"""
path:
  description: The C(environment.yml).
  type: str
  returned: success
  sample: /srv/fleet/environments/nlp/environment.yml
digest:
  description: The digest of the environment on the nodes.
  type: str
  returned: success
  sample: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2
"""
