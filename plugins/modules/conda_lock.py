#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the lock of an environment. All of it is an action, on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_lock
short_description: Lock an environment.yml, so that every node gets the same packages
version_added: 0.1.0
description:
  - Solves an C(environment.yml) for each platform on the control node, conda's packages with py-rattler and pip's
    around them with uv, and writes the exact packages with their hashes beside it, as C(conda-lock.yml) in the format
    1 of conda-lock and as an explicit file C(conda-PLATFORM.lock) for each platform.
  - The same environment and the same state of its channels give the same bytes. The URLs in the files are the channels'
    own, whichever mirror was asked.
  - What conda provides is never installed again by pip, and pip's packages are chosen to fit it. pip's packages are
    wheels, since nodes build nothing; a commit, named by its hash, is the one exception.
  - Runs on the control node, whatever the task's host is, and touches no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  become:
    support: none
requirements:
  - py-rattler and uv on the control node
options:
  environment:
    description: The C(environment.yml), on the control node.
    type: path
    required: true
  platforms:
    description: The platforms to solve for.
    type: list
    elements: str
    choices: [linux-64, linux-aarch64]
    default: [linux-64]
  targets:
    description:
      - The distributions that the nodes run, such as C(debian-12), C(ubuntu-24.04) and C(rocky-9). The oldest kernel
        and C library among them count. All that are known when empty.
    type: list
    elements: str
    default: []
  cuda:
    description: The CUDA version that the nodes' drivers support, such as C(12.4); packages may require it.
    type: str
  virtual_packages:
    description:
      - For each platform, virtual packages that differ from those of O(targets), such as
        C({linux-64{:} {__glibc{:} "2.31"}}).
    type: dict
    default: {}
  update:
    description:
      - Names of packages that move to the newest version that fits; every other package stays wherever it still fits.
        An empty list moves only what the environment's own changes demand. Without it everything is solved anew.
    type: list
    elements: str
  mirrors:
    description:
      - Prefixes of URLs and what to ask in their place, such as
        C({https://repo.anaconda.com{:} http://mirror.example/anaconda}). The longest prefix that fits wins.
    type: dict
    default: {}
  pip_index:
    description: URL of the simple index for pip's packages; uv's own configuration counts when empty.
    type: str
    default: ''
  accept_changed_hashes:
    description:
      - Whether an archive that the lock holds already, of the same name, version and build, may come with another hash.
        Otherwise that is an error, since a published package does not change.
    type: bool
    default: false
seealso:
  - module: evenkeel.gpu.conda_environment
    description: Builds what was locked.
  - module: evenkeel.gpu.conda_capture
    description: Locks what a node already has.
  - plugin: evenkeel.gpu.environment_problems
    plugin_type: lookup
    description: Reports a lock that is older than its environment.yml.
"""

EXAMPLES = r"""
- name: Lock the team's environment for two distributions
  evenkeel.gpu.conda_lock:
    environment: environments/ai-dev/environment.yml
    targets:
      - debian-12
      - ubuntu-24.04
    cuda: "12.4"

- name: Move pandas alone
  evenkeel.gpu.conda_lock:
    environment: environments/ai-dev/environment.yml
    update:
      - pandas
"""

RETURN = r"""
path:
  description: The lock.
  type: str
  returned: success
  sample: /srv/fleet/environments/ai-dev/conda-lock.yml
explicit:
  description: The explicit file of each platform.
  type: dict
  returned: success
  sample:
    linux-64: /srv/fleet/environments/ai-dev/conda-linux-64.lock
digests:
  description: The digest that the environment has on the nodes of each platform.
  type: dict
  returned: success
  sample:
    linux-64: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2
"""
