#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the NVIDIA Container Toolkit of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_container_toolkit
short_description: Give containers access to the GPUs
version_added: 0.1.0
description:
  - Installs the toolkit's packages at exact versions and holds them.
  - Adds the runtime C(nvidia) and CDI to Docker's settings, and keeps all other settings. podman needs no settings.
  - Enables the toolkit's own service C(nvidia-cdi-refresh), which writes the CDI specification, and runs it if the
    specification does not belong to the loaded driver. On a node without a loaded driver, the next boot that loads one
    writes it.
  - An interrupted run of the package manager is finished first.
  - The filter P(evenkeel.gpu.nvidia_container_choice#filter) chooses the packages; the role C(nvidia_container_toolkit)
    combines the two.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.packages
options:
  state:
    description:
      - Whether the node has the toolkit. V(absent) removes the packages that this module has installed and that nothing
        else needs, their repository, the runtime in Docker's settings, and the CDI specification. RV(left) names what
        stays.
    type: str
    choices: [present, absent]
    default: present
  engines:
    description: The container engines to configure; V(auto) for all that are installed.
    type: list
    elements: str
    choices: [auto, docker, podman]
    default: [auto]
  restart_docker:
    description:
      - Whether to restart Docker if its settings are not in effect. Otherwise it is reloaded, which does not affect
        containers and is enough for C(--gpus) and C(--runtime=nvidia), but up to Docker 28.1 not for CDI.
    type: bool
    default: false
  hold:
    description: Whether to hold the packages.
    type: bool
    default: true
seealso:
  - plugin: evenkeel.gpu.nvidia_container_choice
    plugin_type: filter
    description: Chooses packages for the options of this module.
  - module: evenkeel.gpu.nvidia_driver
    description: Installs the driver.
"""

EXAMPLES = r"""
- name: Keep the toolkit
  evenkeel.gpu.nvidia_container_toolkit:
    packages:
      - name: nvidia-container-toolkit
        version: 1.20.1
"""

RETURN = r"""
engines:
  description: The container engines that are configured.
  type: list
  elements: str
  returned: success
specification:
  description: The path of the CDI specification; empty if there is none yet.
  type: str
  returned: success
  sample: /var/run/cdi/nvidia.yaml
check:
  description: For each engine, the command that lists the GPUs in a container.
  type: list
  elements: str
  returned: success
packages:
  description: Packages that changed, with their versions.
  type: list
  elements: str
  returned: success
healed:
  description:
    - Packages of an interrupted run that were finished, and damaged repository keys that were replaced.
    - Files of others that named the same repository as the role's own, with where they are kept as they were.
  type: list
  elements: str
  returned: success
unknown:
  description: In check mode, why it is not known which packages would change.
  type: list
  elements: str
  returned: success
left:
  description: What was skipped on this node, and why.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import nvidia_container_toolkit
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(nvidia_container_toolkit.converge, nvidia_container_toolkit.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
