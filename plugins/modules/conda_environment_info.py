#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what a node has of conda environments."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment_info
short_description: Tell what environments a node has, with digests, packages, generations and sizes
version_added: 0.1.0
description:
  - Reads the environments that M(evenkeel.gpu.conda_environment) keeps, or any environment of conda at O(prefix),
    without starting conda. One that a user owns is read with that user's rights and no more, for two minutes at most.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  name:
    description: One environment; all of them when neither this nor O(prefix) is given.
    type: str
  prefix:
    description: Any conda environment, such as one that a user made by hand.
    type: path
  root:
    description: The directory that holds C(envs/) and C(generations/).
    type: path
    default: /opt/evenkeel
  verify:
    description:
      - What is compared with what was built. V(metadata) finds packages that conda or pip have added, changed or
        removed, and files and directories that others than root may change. V(files) hashes every file.
    type: str
    choices: [metadata, files]
    default: metadata
  size:
    description: Whether to measure how much the environments take on disk, which looks at each of their files.
    type: bool
    default: false
seealso:
  - module: evenkeel.gpu.conda_environment
    description: Builds environments.
  - plugin: evenkeel.gpu.compare_environments
    plugin_type: filter
    description: Compares what nodes have.
"""

EXAMPLES = r"""
- name: See what every node has
  evenkeel.gpu.conda_environment_info:
  register: found

- name: Show the digests
  ansible.builtin.debug:
    msg: "{{ found.environments | items2dict(key_name='name', value_name='digest') }}"
"""

RETURN = r"""
platform:
  description: conda's name of the node's platform.
  type: str
  returned: success
  sample: linux-64
virtual_packages:
  description: conda's virtual packages of the node, name to version.
  type: dict
  returned: success
  sample: {__glibc: "2.36", __linux: "6.1.0", __unix: "0"}
environments:
  description: One for each environment, by name.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Its name.
      type: str
    prefix:
      description: Where people find it.
      type: str
    digest:
      description: SHA-256 over the identities of the packages that it was built from; of those it holds when Evenkeel
        did not build it.
      type: str
    drift:
      description: How it differs from what was built, line by line; empty when it does not.
      type: list
      elements: str
    user_files:
      description: Files that users put into it, as paths below it; with O(verify=files) alone.
      type: list
      elements: str
    packages:
      description: What it holds, each with name, version, build, sha256, md5, url, size, depends and manager.
      type: list
      elements: dict
    requested:
      description: What people asked for, from conda's history.
      type: list
      elements: str
    variables:
      description: What activating it sets.
      type: dict
    generation:
      description: The name of the generation in use.
      type: str
    generations:
      description: All generations from the oldest on, each with id, digest, number, created, installer, pinned, in_use.
      type: list
      elements: dict
    size:
      description:
        - With O(size), in bytes. C(total) counts every file of the generation in use, C(own) those that no other
          directory links to.
      type: dict
  sample:
    - name: ai-dev
      prefix: /opt/evenkeel/envs/ai-dev
      digest: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2
      drift: ["- humanize 4.16.0"]
      generation: 3b7f0a2d1f9c4e5a
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment_info
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(
        conda_environment_info.read,
        conda_environment_info.ARGUMENT_SPEC,
        verbatim=("variables",),
        **conda_environment_info.RULES,
    )


if __name__ == "__main__":
    main()
