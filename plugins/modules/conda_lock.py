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
  - Solves an C(environment.yml) for each platform on the control node, conda packages with py-rattler and then pip
    packages with uv, and writes the exact packages with their hashes beside it, as C(conda-lock.yml) in conda-lock's
    format 1 and as an explicit file C(conda-PLATFORM.lock) for each platform.
  - The same environment and the same state of its channels give the same bytes. The files contain the channels'
    original URLs, regardless of the mirror.
  - pip never reinstalls what conda provides, and the versions of pip packages fit the conda packages. pip packages are
    wheels, because nodes build nothing. Of a release that is only a source archive, and of a commit, a wheel is built
    here where O(build) allows it.
  - Runs on the control node, regardless of the task's host, and changes no node. Only builds can run on O(build_host).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
  - evenkeel.gpu.locking
attributes:
  become:
    support: none
requirements:
  - py-rattler and uv on the control node
options:
  environment:
    description:
      - The environment file, on the control node. Beside a file of another name than C(environment.yml) or
        C(environment.yaml), such as C(gpu.yml), the lock is C(gpu.conda-lock.yml) and the explicit file is
        C(gpu.conda-PLATFORM.lock).
    type: path
    required: true
  drop_platforms:
    description: Whether platforms that the lock has may be dropped from it. Otherwise this is an error.
    type: bool
    default: false
  cuda:
    description:
      - The CUDA version that the nodes' drivers support, such as C(12.4); packages may require it. When it is known, a
        framework that is locked as a build for CPUs is a warning.
    type: str
  update:
    description:
      - Names of packages to update to the newest version that fits; all others are kept where possible. An empty list
        changes only what the environment's own changes require. By default, everything is solved again.
    type: list
    elements: str
  accept_changed_hashes:
    description:
      - Whether the hash of an archive in the lock, of the same name, version and build, may change. Otherwise this is
        an error, because a published package does not change.
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

- name: Update only pandas
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
  description: The environment's digest on the nodes of each platform.
  type: dict
  returned: success
  sample:
    linux-64: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2
cuda:
  description: The CUDA version that the lock assumes on each platform; empty for none.
  type: dict
  returned: success
  sample:
    linux-64: "13.0"
gpu_builds:
  description: Which of each platform's packages are builds for GPUs.
  type: dict
  returned: success
  sample:
    linux-64:
      - pytorch 2.5.1 cuda126_py311_h1234567_200
"""
