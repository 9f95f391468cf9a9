#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the NVIDIA driver of a node, with all that keeps it working after the next boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_driver
short_description: Keep the NVIDIA driver of a node
version_added: 0.1.0
description:
  - Brings the driver's packages at exact versions, or NVIDIA's installer, and nothing else; what that takes is
    simulated and judged, and the kernel module is built in a folder of its own, before anything changes.
  - Has a module built for every kernel that the node may boot, holds driver and kernel, keeps automatic updates off
    them, keeps nouveau off the hardware and out of the initial RAM disks, and enables the driver's services.
  - Never reboots the node; RV(reboot) says whether it needs to, and why.
  - What an earlier run of the package manager left half-done is finished first.
  - What a node gets is decided by the filter P(evenkeel.gpu.nvidia_driver_choice#filter); the role C(nvidia_driver)
    joins the two.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.packages
options:
  version:
    description: The driver's exact version; empty is the one that the repositories of the node have.
    type: str
    default: ""
  flavour:
    description: The flavour of the kernel module.
    type: str
    choices: [open, proprietary]
    required: true
  absent:
    description: Patterns of packages of the other flavour.
    type: list
    elements: str
    default: []
  family:
    description: Patterns of the packages that belong to the driver; they are held, and may change to O(version) alone.
    type: list
    elements: str
    default: []
  dkms:
    description: The package whose source is built on the node; empty where modules come built.
    type: str
    default: ""
  runfile:
    description: NVIDIA's installer, instead of packages.
    type: dict
    suboptions:
      url: {description: "Where it is.", type: str, required: true}
      sha256: {description: "Its SHA-256.", type: str, required: true}
  hold:
    description: Whether the driver's packages are held.
    type: bool
    default: true
  hold_kernel:
    description: Whether kernels are held.
    type: bool
    default: true
  keep_off:
    description: Whether unattended upgrades are configured to leave the driver alone.
    type: bool
    default: true
  persistence:
    description: Whether the persistence daemon runs.
    type: bool
    default: true
  fabric_manager:
    description: Whether the node has NVSwitch, and so needs the fabric manager.
    type: bool
    default: false
  gpu:
    description: Whether the node has a GPU, so that the module is loaded and the services are started.
    type: bool
    required: true
  container:
    description: Whether the node is a container, whose kernel is its host's.
    type: bool
    default: false
  secure_boot:
    description: Whether the node boots with Secure Boot, so that modules built on it have to be signed.
    type: bool
    default: false
seealso:
  - plugin: evenkeel.gpu.nvidia_driver_choice
    plugin_type: filter
    description: Chooses the driver for the options of this module.
  - module: evenkeel.gpu.gpu_facts
    description: Reports what a node has.
"""

EXAMPLES = r"""
- name: Keep the driver of Debian 12
  evenkeel.gpu.nvidia_driver:
    flavour: proprietary
    packages:
      - name: nvidia-kernel-dkms
      - name: nvidia-smi
    family: [nvidia-kernel-*, nvidia-smi, libcuda1]
    dkms: nvidia-kernel-dkms
    gpu: true
"""

RETURN = r"""
version:
  description: The version of the module on disk; empty where there is no kernel to have one.
  type: str
  returned: success
flavour:
  description: Its flavour, V(open) or V(proprietary).
  type: str
  returned: success
kernels:
  description: The kernels that the node may boot.
  type: list
  elements: dict
  returned: success
  contains:
    release: {description: "As C(uname -r) says it.", type: str}
    headers: {description: "Whether modules can be built for it.", type: bool}
    module: {description: "The version of its module; empty when it has none.", type: str}
    flavour: {description: "The flavour of its module.", type: str}
    signed: {description: "Whether its module is signed.", type: bool}
packages:
  description: Packages that changed, with their versions.
  type: list
  elements: str
  returned: success
healed:
  description: Packages that an earlier run had left half-done, and keys of repositories that were damaged.
  type: list
  elements: str
  returned: success
left:
  description: What was left undone on this node, and why.
  type: list
  elements: str
  returned: success
reboot:
  description: Why the node has to be rebooted; empty when it has not.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import nvidia_driver
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(nvidia_driver.converge, nvidia_driver.ARGUMENT_SPEC, **nvidia_driver.RULES)


if __name__ == "__main__":
    main()
