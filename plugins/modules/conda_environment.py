#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a named conda environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment
short_description: Keep a named conda environment, the same on every node
version_added: 0.1.0
description:
  - Builds the environment from exact, hashed packages beside the one in use and switches to it by one rename, so the
    name never means an incomplete environment, and running programs keep the one they started with.
  - What to build comes from a lock, from an explicit file, from an C(environment.yml) or from a list of packages. All
    of them are read on the control node. What is not locked is solved there with py-rattler, once for each run,
    platform and set of virtual packages; that one answer goes to every node. Nodes never solve.
  - A list or an C(environment.yml) that has not changed is left as it is, without a solve, however new the channel's
    packages are.
  - An environment that has drifted from what it was built from is replaced by a new build of the same packages. Files
    that users put into it are listed, and stay in the old build.
  - Each build stays as a generation, to go back to, until O(keep) newer ones are there. A generation that a running
    process uses, that is pinned, or that Evenkeel did not build, is never removed.
  - Whatever stands at the environment's name and was not made by this module is left alone, and the module fails.
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
      - With V(present), the environment is there as its source says.
      - With V(absent), the name is gone, and with it every generation that no running process uses, that is not pinned
        and that Evenkeel built.
    type: str
    choices: [present, absent]
    default: present
  environment:
    description:
      - An C(environment.yml) on the control node. The C(conda-lock.yml) beside it counts, if there is one; it is an
        error when that is older than what it was made from.
    type: path
  lock:
    description: A C(conda-lock.yml) or a C(pixi.lock) on the control node.
    type: path
  explicit:
    description: An explicit file on the control node, as C(conda list --explicit) writes it, with hashes.
    type: path
  packages:
    description: What the environment must contain, as conda's match specifications, such as C(python=3.11).
    type: list
    elements: str
  channels:
    description:
      - Where O(packages) are, in order of priority, as URLs or as names of channels at C(conda.anaconda.org).
      - Required with O(packages).
    type: list
    elements: str
  generation:
    description:
      - Switch to a generation that the node has already, instead of building from a source. Its name, the beginning of
        its digest, or how many generations to go back from the one in use, such as V(-1).
    type: str
  mirrors:
    description:
      - Where to get packages instead, as URL prefixes by URL prefix; the longest that matches counts. Hashes still are
        those of the lock.
    type: dict
    default: {}
  pip_index:
    description: The index that pip's packages come from; uv's own configuration counts when it is not given.
    type: str
  keep:
    description: How many generations to keep, with the one in use; V(0) removes none.
    type: int
    default: 3
  pin:
    description: Whether the generation in use is to be kept whatever O(keep) says; unchanged when not given.
    type: bool
  adopt:
    description:
      - Whether an environment of this name that Evenkeel did not build may be taken over. It becomes a generation that
        is never removed, and the name then means the new build.
    type: bool
    default: false
  user_site:
    description:
      - Whether the environment's Python sees packages that users have below C(~/.local). With V(false), activation sets
        E(PYTHONNOUSERSITE), for C(conda run) and Jupyter's kernels too, so that all users have the same packages.
      - Without it, a new environment hides them, and another one stays as it is.
    type: bool
  verify:
    description:
      - What is compared with what was built. V(metadata) finds packages that conda or pip have added, changed or
        removed, and what others than root may change of the files that Python, conda and shells read first, in
        milliseconds. V(files) hashes every file, and looks at the permissions of all of them.
    type: str
    choices: [metadata, files]
    default: metadata
  installer:
    description:
      - What links conda's packages. V(rattler) is py-rattler in the private runtime, V(conda) the distribution's own
        command; V(auto) takes the first where the node can run it.
    type: str
    choices: [auto, rattler, conda]
    default: auto
  root:
    description: The directory that holds C(envs/), C(generations/) and the package caches in C(pkgs/).
    type: path
    default: /opt/evenkeel
  conda:
    description: The distribution's command.
    type: path
    default: /opt/miniconda3/bin/conda
  python:
    description: The distribution's Python, which runs py-rattler.
    type: path
    default: /opt/miniconda3/bin/python
  runtime:
    description: The private runtime, as the module M(evenkeel.gpu.conda_runtime) returns its path.
    type: path
  download_timeout:
    description: How many seconds downloads may stand still, or bring less than 10 kB a second.
    type: int
    default: 60
  connections:
    description: How many packages are downloaded at the same time.
    type: int
    default: 5
  lock_timeout:
    description: How many seconds to wait for another run that works on the same environment or package cache.
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
  description: Where people find the environment.
  type: str
  returned: success
  sample: /opt/evenkeel/envs/ai-dev
generation:
  description: The directory that O(ignore:prefix) points at after the run.
  type: str
  returned: when the environment is there after the run
  sample: /opt/evenkeel/generations/ai-dev/3b7f0a2d1f9c4e5a
plan:
  description: What has changed, or in check mode would change, line by line.
  type: list
  elements: str
  returned: success
  sample: ["+ numpy 2.4.6 (main)", "~ pandas 3.0.0 -> 3.0.1", "- six 1.17.0"]
installer:
  description: What built the generation in use.
  type: str
  returned: when it is there
  sample: rattler
user_files:
  description: Files that users put into the generation that is replaced because it drifted, as paths below it.
  type: list
  elements: str
  returned: when it drifted
kept:
  description: Where the files are now that users had put into generations that were removed.
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
