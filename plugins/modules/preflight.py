#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what a node has of space, time, reachable sources and past."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Read what a node has before anything is installed
version_added: 0.2.0
description:
  - Reads the space on file systems, whether the clock is kept right, whether mirrors and repositories answer and have
    what is declared, and what is on the node from before. Changes nothing.
  - Uses the proxy of the environment for its questions.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  paths:
    description: The directories to which things would go. One that isn't there is looked up in its parent.
    type: list
    elements: path
    required: true
  sources:
    description: The mirrors and repositories to ask. All are asked at once.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the result calls it.
        type: str
        required: true
      kind:
        description: Whether it is indexes of conda's channels, a package index for pip, or a repository of packages.
        type: str
        choices: [conda, pip, apt, rpm]
        required: true
      urls:
        description: The addresses of indexes of conda's channels, or the one of the index or repository.
        type: list
        elements: str
        required: true
      packages:
        description: Packages that a repository must have, each C(name) and C(version). An empty version is any.
        type: list
        elements: dict
        default: []
  timeout:
    description: How many seconds each source may take.
    type: int
    default: 10
  port:
    description: The port of the notebook server.
    type: int
    default: 8888
  own_conda:
    description: Directories of distributions of conda that are not of the past.
    type: list
    elements: path
    default: []
seealso:
  - module: evenkeel.gpu.node_probe
    description: Finds out whether modules can run on the node at all.
  - module: evenkeel.gpu.survey
    description: Finds out what roles would change.
"""

EXAMPLES = r"""
- name: Read the node
  evenkeel.gpu.preflight:
    paths: [/, /boot, /var, /opt/evenkeel]
    sources:
      - name: container toolkit
        kind: apt
        urls: [https://nvidia.github.io/libnvidia-container/stable/deb/amd64/]
        packages: [{name: nvidia-container-toolkit, version: 1.20.1}]
"""

RETURN = r"""
disks:
  description: For each path C(path), C(mount), C(free_mib), C(free_inodes) and C(read_only).
  type: list
  elements: dict
  returned: success
clock_synchronised:
  description: Whether the kernel's clock is kept right by NTP or the like; null if the kernel doesn't say.
  type: bool
  returned: success
sources:
  description: For each source C(name), C(urls) and C(problem), which is empty if it answers and has the packages.
  type: list
  elements: dict
  returned: success
past:
  description:
    - C(drivers) of packages, each C(version), C(origin) and C(packages); C(runfile), the version of a driver from
      NVIDIA's installer; C(dkms), the driver's modules that DKMS knows; C(repositories) of NVIDIA's in files of others;
      C(engines) of containers; C(conda), distributions of others; C(port), who listens on the notebook server's port.
  type: dict
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._preflight import preflight


def main() -> None:
    run(preflight.read, preflight.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
