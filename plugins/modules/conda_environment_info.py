#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what a node has of conda environments."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment_info
short_description: Return the environments of a node, with digests, packages, generations and sizes
version_added: 0.1.0
description:
  - Reads the environments of M(evenkeel.gpu.conda_environment), or any conda environment at O(prefix), without starting
    conda. An environment that a user owns is read only with that user's rights, for at most two minutes.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  name:
    description: One environment. By default all, unless O(prefix) is given.
    type: str
  prefix:
    description: Any conda environment, such as one that a user made by hand.
    type: path
  root:
    description: The directory with C(envs/) and C(generations/).
    type: path
    default: /opt/evenkeel
  verify:
    description:
      - How drift is detected. V(metadata) detects packages that conda or pip have added, changed or removed, and files
        and directories that other users than root can change. V(files) hashes every file.
    type: str
    choices: [metadata, files]
    default: metadata
  size:
    description: Whether to measure the environments' disk usage, which inspects each of their files.
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
      description: Its path for users.
      type: str
    digest:
      description: SHA-256 over the identities of the packages that it was built from, or, if Evenkeel did not build it,
        of the packages that it contains.
      type: str
    drift:
      description: The differences from what was built, one for each line; empty if there are none.
      type: list
      elements: str
    clobbered:
      description:
        - The packages that overwrite files of others, one line for each pair, as it was found when the environment was
          built. Empty if there are none.
      type: list
      elements: str
      sample: ["pip's opencv-python 4.10.0.84 overwrites lib/python3.11/site-packages/cv2/__init__.py of opencv 4.10.0"]
    user_files:
      description: Files that users put into it, as paths below it; only with O(verify=files).
      type: list
      elements: str
    packages:
      description: Its packages, each with name, version, build, sha256, md5, url, size, depends and manager.
      type: list
      elements: dict
    requested:
      description: The requested packages, from conda's history.
      type: list
      elements: str
    copied:
      description: The names of the packages that come from another environment or an explicit file, by conda's history.
      type: list
      elements: str
    variables:
      description: The variables that activation sets.
      type: dict
    generation:
      description: The name of the generation in use.
      type: str
    origin:
      description:
        - Of one that Evenkeel built, C(built), when; C(evenkeel), by which version; C(file), the lock or other source,
          with its C(sha256), C(commit), whether it was C(dirty), and the C(signer) of the commit; and C(sources), the
          URLs that packages were asked from. Of builds of earlier versions, only the first.
      type: dict
    generations:
      description: All generations, oldest first, each with id, digest, number, created, installer, pinned, in_use.
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
