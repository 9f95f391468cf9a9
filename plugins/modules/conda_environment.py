#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a named conda environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment
short_description: Manage a named conda environment, the same on every node
version_added: 0.1.0
description:
  - Builds the environment from hashed packages beside the one in use and switches to it by one rename, so the name
    never points to an incomplete environment, and running programs keep the one they started with.
  - The packages come from a lock, an explicit file, an C(environment.yml) or a list. All of them are read on the
    control node. What is not locked is solved there with py-rattler, once for each run, platform and set of virtual
    packages, and every node gets the same result. Nodes never solve.
  - Of pip, nodes install wheels. Those that a lock names by a path lie beside it on the control node, which hands over
    what a node lacks. Nodes build nothing.
  - If a list or an C(environment.yml) has not changed, nothing is solved or updated, even if the channel has newer
    packages.
  - An environment that has drifted is replaced by a fresh build of the same packages. Files that users put into it are
    listed, and kept in the replaced build.
  - Each build stays as a generation for rollbacks, until there are O(keep) newer ones. A generation is never removed if
    it is pinned, if Evenkeel did not build it, or while a running process uses it.
  - If there is anything at the environment's name that this module did not create, the module fails and leaves it
    unchanged.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - py-rattler on the control node, and uv where pip requirements are solved
options:
  name:
    description: The environment's name, letters, digits, C(_), C(-) and C(.).
    type: str
    required: true
  state:
    description:
      - With V(present), the environment exists as its source describes it.
      - With V(absent), the name is removed, with every generation that Evenkeel built, that is not pinned and that no
        running process uses.
    type: str
    choices: [present, absent]
    default: present
  environment:
    description:
      - An C(environment.yml) on the control node. If there is a C(conda-lock.yml) beside it, or a C(gpu.conda-lock.yml)
        beside a C(gpu.yml), that lock is used; a lock that is older than its C(environment.yml) is an error.
    type: path
  lock:
    description: A C(conda-lock.yml) or a C(pixi.lock) on the control node.
    type: path
  pixi_environment:
    description: The environment of a C(pixi.lock), V(default) by default.
    type: str
  explicit:
    description:
      - An explicit file on the control node, from C(conda list --explicit). Hashes that it lacks come from the
        channels.
    type: path
  packages:
    description: What the environment must contain, as conda's match specifications, such as C(python=3.11).
    type: list
    elements: str
  channels:
    description:
      - The channels of O(packages) in order of priority, as URLs or names of channels at C(conda.anaconda.org).
      - Required with O(packages).
    type: list
    elements: str
  generation:
    description:
      - An existing generation to switch to, instead of building from a source. Its name, the beginning of its digest,
        or how many generations to go back from the one in use, such as V(-1). Builds of one digest count once, so nodes
        that were repaired go back to the same packages as others.
      - Of several builds with a digest, it means the one in use or else the newest, since the others have drifted.
    type: str
  mirrors:
    description:
      - Replacement URL prefixes for downloads; the longest prefix that matches is used. Hashes are still those of the
        lock.
    type: dict
    default: {}
  pip_index:
    description:
      - The package index for pip packages. By default, uv's own configuration applies.
      - What a lock pins to another index is fetched at its URL, which O(mirrors) may replace. Of a lock of conda-lock
        or pixi, so is what this index can't have.
    type: str
  pip_indexes:
    description:
      - URLs of further package indexes for what has no lock, asked in this order after those that O(environment) names
        and before O(pip_index). The first that has a package counts for it.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  keep:
    description: How many generations to keep, including the one in use; V(0) keeps all.
    type: int
    default: 3
  pin:
    description: Whether the generation in use is kept regardless of O(keep). By default, this is left unchanged.
    type: bool
  adopt:
    description:
      - Whether an environment of this name that Evenkeel did not build may be taken over. It becomes a generation that
        is never removed, and the name then means the new build.
    type: bool
    default: false
  switch:
    description:
      - Whether O(name) comes to mean the environment that its source describes.
      - With V(false), it is only built beside the one in use, at the lowest priority of the processor and the disk. It
        waits there for a later run with V(true), which then has nothing to build. It is not pruned until then, unless a
        newer one is built. Nothing else changes, whatever O(state) and O(pin) are.
    type: bool
    default: true
    version_added: 0.2.0
  user_site:
    description:
      - Whether the environment's Python sees packages that users have in C(~/.local). With V(false), activation sets
        E(PYTHONNOUSERSITE), also for C(conda run) and Jupyter kernels, so that all users have the same packages.
      - By default, a new environment hides them, and an existing one stays as it is.
    type: bool
  verify:
    description:
      - How drift is detected. V(metadata) detects packages that conda or pip have added, changed or removed, and loose
        permissions on the files that Python, conda and shells read first, in milliseconds. V(files) hashes every file,
        and checks the permissions of all files.
    type: str
    choices: [metadata, files]
    default: metadata
  installer:
    description:
      - The program that links conda packages. V(rattler) is py-rattler in the private runtime, V(conda) the
        distribution's own command; V(auto) uses py-rattler if the node can run it.
    type: str
    choices: [auto, rattler, conda]
    default: auto
  root:
    description: The directory with C(envs/), C(generations/) and the package caches in C(pkgs/).
    type: path
    default: /opt/evenkeel
  conda:
    description: The distribution's conda command.
    type: path
    default: /opt/miniconda3/bin/conda
  python:
    description: The distribution's Python, which runs py-rattler.
    type: path
    default: /opt/miniconda3/bin/python
  runtime:
    description: The path of the private runtime, from the module M(evenkeel.gpu.conda_runtime).
    type: path
  download_timeout:
    description: For how many seconds downloads may stall or transfer less than 10 kB a second.
    type: int
    default: 60
  connections:
    description: How many packages are downloaded at the same time.
    type: int
    default: 5
  batch_connections:
    description:
      - How many packages the nodes of the play's batch download at the same time together. Each has an equal share, at
        least one, if that is less than O(connections). V(0) is no limit.
    type: int
    default: 0
  lock_timeout:
    description: How many seconds to wait for another run that uses the same environment or package cache.
    type: int
    default: 1800
seealso:
  - module: evenkeel.gpu.conda_lock
    description: Makes a lock.
  - module: evenkeel.gpu.conda_environment_info
    description: Reports what a node has.
  - module: evenkeel.gpu.conda_package_cache
    description: Keeps the caches within limits.
"""

EXAMPLES = r"""
- name: Build the team's environment from its lock
  evenkeel.gpu.conda_environment:
    name: ai-dev
    environment: environments/ai-dev/environment.yml

- name: Build an environment for notebooks from a list
  evenkeel.gpu.conda_environment:
    name: notebooks
    packages:
      - python=3.11
      - jupyterlab
      - numpy>=2
    channels:
      - https://repo.anaconda.com/pkgs/main

- name: Build the next environment, while everybody works with the present one
  evenkeel.gpu.conda_environment:
    name: ai-dev
    environment: environments/ai-dev/environment.yml
    switch: false

- name: Go back to what was there before the last change
  evenkeel.gpu.conda_environment:
    name: ai-dev
    generation: "-1"

- name: See whether anybody has touched a file
  evenkeel.gpu.conda_environment:
    name: ai-dev
    environment: environments/ai-dev/environment.yml
    verify: files
  check_mode: true
"""

RETURN = r"""
digest:
  description: SHA-256 over the sorted identities (name, version, build, hash) of the environment's packages.
  type: str
  returned: when the packages are known
  sample: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2
prefix:
  description: The environment's path for users.
  type: str
  returned: success
  sample: /opt/evenkeel/envs/ai-dev
generation:
  description: The directory that O(ignore:prefix) points to after the run; with O(switch=false), the one that waits.
  type: str
  returned: when the environment is there after the run
  sample: /opt/evenkeel/generations/ai-dev/3b7f0a2d1f9c4e5a
built_ahead:
  description: Whether it is built, and O(ignore:prefix) does not point to it yet.
  type: bool
  returned: with RV(generation)
plan:
  description: The changes that were made, or in check mode would be, one for each line.
  type: list
  elements: str
  returned: success
  sample: ["+ numpy 2.4.6 (main)", "~ pandas 3.0.0 -> 3.0.1", "- six 1.17.0"]
was:
  description: The digest of the environment that was in use before.
  type: str
  returned: when there was one
origin:
  description: Where that came from, as M(evenkeel.gpu.conda_environment_info) returns it.
  type: dict
  returned: when there was one
installer:
  description: The program that built the generation in use.
  type: str
  returned: when it is there
  sample: rattler
bytecode:
  description: Where the bytecode of a build is from.
  type: dict
  returned: when it was built now
  contains:
    compiled:
      description: How many files were compiled on the node.
      type: int
    received:
      description: Of how many packages M(evenkeel.gpu.conda_bytecode) has compiled it.
      type: int
  sample:
    compiled: 3
    received: 96
user_files:
  description: Files that users put into a generation that was replaced because it drifted, as paths below it.
  type: list
  elements: str
  returned: when it drifted
kept:
  description: The new paths of files that users had put into removed generations.
  type: list
  elements: str
  returned: when there were some
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(
        conda_environment.converge,
        conda_environment.ARGUMENT_SPEC,
        from_action=conda_environment.FROM_ACTION,
        **conda_environment.RULES,
    )


if __name__ == "__main__":
    main()
