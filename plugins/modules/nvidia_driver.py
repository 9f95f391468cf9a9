#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the NVIDIA driver of a node, with all that keeps it working after the next boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_driver
short_description: Manage the NVIDIA driver of a node
version_added: 0.1.0
description:
  - Installs the driver from packages at exact versions, or from NVIDIA's installer. Before anything changes, the
    transaction is simulated and checked, and the kernel module is test-built in a folder of its own.
  - Builds a module for every kernel that the node may boot, holds driver and kernel, excludes them from automatic
    updates, disables nouveau, also in the initial RAM disks, and enables the driver's services.
  - Never reboots the node; RV(reboot) lists the reasons for a reboot.
  - An interrupted run of the package manager is finished first. What of O(family) can't be finished is removed.
  - The filter P(evenkeel.gpu.nvidia_driver_choice#filter) chooses the driver; the role C(nvidia_driver) combines the
    two.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.packages
options:
  state:
    description:
      - Whether the node has the driver. V(absent) removes the packages and holds that this module has brought and that
        nothing else needs, or undoes NVIDIA's installer if this module has run it; then the driver's repository unless
        CUDA toolkits come from it, and what kept nouveau off, also in the initial RAM disks.
      - A driver that is loaded works until the node is rebooted. Kernels, keys that sign modules, and drivers that this
        module has no record of stay; RV(left) names them.
      - The caller sees to it that nobody uses a GPU, as the role does.
    type: str
    choices: [present, absent]
    default: present
  version:
    description: The driver's exact version; when empty, the one in the node's repositories.
    type: str
    default: ""
  flavour:
    description: The flavour of the kernel module; required if O(state=present).
    type: str
    choices: [open, proprietary]
  absent:
    description: Patterns of packages of the other flavour.
    type: list
    elements: str
    default: []
  family:
    description:
      - Patterns of the driver's packages. They are held, and may change only to O(version), to which those at another
        come; those that the repository does not have at it are removed. They come from O(repository) alone.
      - With C(src:) before it, a pattern is one of source packages, and means all that is built from them (apt alone).
    type: list
    elements: str
    default: []
  companions:
    description:
      - Patterns, as of O(family), of the driver's packages that have versions of their own. Where the driver comes from
        the distribution, they do not come from NVIDIA's repositories either (apt alone).
    type: list
    elements: str
    default: []
  dkms:
    description: The package whose source is built on the node; empty if modules are prebuilt.
    type: str
    default: ""
  modules:
    description: The package with a kernel's module, with C({kernel}) for its release; empty if modules are built.
    type: str
    default: ""
  dkms_repository:
    description:
      - A repository that has DKMS, such as EPEL, for a node whose own repositories lack it. It is added where DKMS is
        not installed.
    type: dict
    suboptions:
      name: {description: "What its files are named by.", type: str, required: true}
      kind: {description: "Its kind.", type: str, choices: [apt, rpm], required: true}
      url: {description: "Its base URL.", type: str, required: true}
      suite: {description: "As in O(repository.suite).", type: str, default: /}
      components: {description: "As in O(repository.components).", type: list, elements: str, default: []}
      key_url: {description: "The URL of its key.", type: str, required: true}
      key_sha256: {description: "The SHA-256 of the file at O(dkms_repository.key_url).", type: str, default: ""}
      key_member: {description: "As in O(repository.key_member).", type: str, default: ""}
      signed: {description: "As in O(repository.signed).", type: str, choices: [packages, metadata], default: packages}
  kernel:
    description:
      - Whether to V(upgrade) the kernel where no repository has the headers or the module of the newest installed one.
      - Then the newest kernel of the same flavour is installed, and kernels that can get no module are left without
        one. V(keep) refuses such a node.
    type: str
    choices: [keep, upgrade]
    default: keep
  runfile:
    description: NVIDIA's installer, instead of packages.
    type: dict
    suboptions:
      url: {description: "Its URL.", type: str, required: true}
      sha256: {description: "Its SHA-256.", type: str, required: true}
  hold:
    description: Whether to hold the driver's packages.
    type: bool
    default: true
  hold_kernel:
    description: Whether to hold kernels.
    type: bool
    default: true
  keep_off:
    description: Whether unattended upgrades are configured to leave the driver alone.
    type: bool
    default: true
  persistence:
    description: Whether to run the persistence daemon.
    type: bool
    default: true
  fabric_manager:
    description: Whether the node has NVSwitch, and so needs the fabric manager.
    type: bool
    default: false
  gpu:
    description:
      - Whether the node has a GPU, so that the module must be loaded and the services started; required if
        O(state=present).
    type: bool
  container:
    description: Whether the node is a container, whose kernel is its host's.
    type: bool
    default: false
  secure_boot:
    description: Whether the node boots with Secure Boot, so that modules built on it must be signed.
    type: bool
    default: false
  warn:
    description: Warnings to show.
    type: list
    elements: str
    default: []
  remove_leftovers:
    description:
      - Whether to remove what another driver has left and no package owns. That is a driver from NVIDIA's installer, by
        its own uninstaller, and modules of other versions that are registered with DKMS, with the files that they have
        put into kernels. Packages of O(family) whose files the uninstaller takes away are installed again.
      - Otherwise, a driver from NVIDIA's installer is an error before anything changes, and registrations are reported
        in RV(left).
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
  description: The version of the module on disk; empty if there is no kernel.
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
    release: {description: "The release, as printed by C(uname -r).", type: str}
    headers: {description: "Whether modules can be built for it.", type: bool}
    module: {description: "The version of its module; empty if it has none.", type: str}
    flavour: {description: "The flavour of its module.", type: str}
    signed: {description: "Whether its module is signed.", type: bool}
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
  description: What was skipped on this node, and why, and what another driver has left on it.
  type: list
  elements: str
  returned: success
reboot:
  description: The reasons for a reboot; empty if none is needed.
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
