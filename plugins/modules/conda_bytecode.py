#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: bytecode of a lock, compiled once. All of it is an action, on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_bytecode
short_description: Compile the bytecode of a locked environment once for all nodes
version_added: 0.2.0
description:
  - Compiles the Python files of a lock's packages with the lock's own Python on the control node, or on
    O(build_host), in a sandbox without network, home and credentials. None of the packages' code runs.
  - Keeps an archive for each package in O(store), named by its hash, and writes the hashes beside the lock, as
    C(conda-bytecode.json) for C(conda-lock.yml) and C(gpu.conda-bytecode.json) for C(gpu.conda-lock.yml). Commit the
    file with the lock.
  - M(evenkeel.gpu.conda_environment) hands the hashes to nodes, which verify each archive and link what is in it.
    What is missing or wrong they compile themselves, so environments are the same with and without it.
  - Packages that were compiled for the lock before, by the same Python, are not compiled again.
  - Archives beside the lock that no file of hashes there names any more are removed. Nothing is removed from a
    directory that O(store) names, except for what a killed run of this user has left there half written.
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
  environment:
    description: The environment file, on the control node, with its lock beside it.
    type: path
    required: true
  require_lock:
    description: Whether an environment without a lock is an error. Otherwise it is skipped.
    type: bool
    default: false
  store:
    description:
      - The directory that keeps the archives. By default C(bytecode) beside the lock, from where the control node
        hands them over.
    type: path
  store_url:
    description:
      - The URL at which nodes get what is in O(store), such as that of a web server or an object store that the
        directory is copied to. By default, the control node hands the archives over.
    type: str
    default: ''
  mirrors:
    description:
      - URL prefixes and their replacements, such as
        C({https://repo.anaconda.com{:} http://mirror.example/anaconda}). The longest prefix that matches is used.
    type: dict
    default: {}
  pip_index:
    description: URL of the package index (simple API). When empty, uv's own configuration applies.
    type: str
    default: ''
  build_host:
    description:
      - The host of the inventory that compiles for the platforms that the control node can't compile for, since it is
        not Linux of their architecture or has no sandbox. Or a dictionary with the host of each platform, such as
        C({linux-aarch64{:} builder01}). Without one, nodes of such a platform compile themselves, and a warning names
        it.
    type: raw
  without_sandbox:
    description:
      - Whether the lock's Python may run where the kernel has no sandbox to offer. It then sees the files and the
        network of the user that runs Ansible. Otherwise this is an error.
    type: bool
    default: false
  timeout:
    description: How many seconds the compiler may take for one platform.
    type: int
    default: 3600
seealso:
  - module: evenkeel.gpu.conda_lock
    description: Locks the environment.
  - module: evenkeel.gpu.conda_environment
    description: Builds it on nodes.
"""

EXAMPLES = r"""
- name: Compile the team's environment once
  evenkeel.gpu.conda_bytecode:
    environment: environments/ai-dev/environment.yml

- name: Keep what was compiled where a web server has it
  evenkeel.gpu.conda_bytecode:
    environment: environments/ai-dev/environment.yml
    store: /srv/evenkeel/bytecode
    store_url: https://mirror.example/evenkeel/bytecode
"""

RETURN = r"""
path:
  description: The file of hashes.
  type: str
  returned: if the environment has a lock
  sample: /srv/fleet/environments/ai-dev/conda-bytecode.json
compiled:
  description: How many packages were compiled now.
  type: int
  returned: if the environment has a lock
packages:
  description: How many packages of each platform have bytecode.
  type: dict
  returned: if the environment has a lock
  sample:
    linux-64: 96
"""
