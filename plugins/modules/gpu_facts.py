#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what there is of GPUs, driver, kernels and CUDA."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_facts
short_description: Read the GPUs, the driver, the kernels and CUDA
version_added: 0.1.0
description:
  - Reads sysfs, C(/proc), the modules on disk with modinfo, EFI variables and a few directories. It needs no driver and
    changes nothing. If a driver is loaded, nvidia-smi is run once for values that only it can provide.
  - All keys are always present. Without root, some values are missing, such as other users' processes. Unknown values
    are empty or null.
  - The requirements of GPU generations are added on the control node, from the collection's data.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: none
options:
  sysroot:
    description: The root of the system to read, such as a mounted image. None of its programs are run.
    type: path
    default: /
seealso:
  - module: evenkeel.gpu.gpu_check
    description: Uses each GPU once.
"""

EXAMPLES = r"""
- name: Read the GPUs
  evenkeel.gpu.gpu_facts:

- name: Require a GPU that a driver has
  ansible.builtin.assert:
    that: ansible_facts['evenkeel_gpu'].gpus | selectattr('bound', 'equalto', 'nvidia') | length > 0
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  type: dict
  returned: success
  contains:
    evenkeel_gpu:
      description: All of them.
      type: dict
      contains:
        gpus:
          description: The GPUs, in the order of their addresses.
          type: list
          elements: dict
          contains:
            address: {description: "The PCI address.", type: str, sample: "0000:01:00.0"}
            device_id: {description: "The PCI device id.", type: str, sample: "0x1db1"}
            bound: {description: "The kernel driver that has it, such as C(nvidia) or C(nouveau).", type: str}
            passed_through: {description: "Whether it is kept for a virtual machine (C(vfio-pci)).", type: bool}
            vgpu: {description: "Whether it is NVIDIA's vGPU; null without root.", type: bool}
            vgpu_host: {description: "The version of the hypervisor's driver that gives the vGPU.", type: str}
            name: {description: "The model, as its driver or else the data name it.", type: str}
            uuid: {description: "Its UUID, if the driver reports it.", type: str}
            memory_mib: {description: "Its memory in MiB, if the driver reports it.", type: int}
            mig: {description: "C(enabled) or C(disabled), if the driver reports it.", type: str}
            generation: {description: "Its generation, or C(unknown).", type: str, sample: volta}
            flavours:
              description: Flavours of the kernel module that it works with, the recommended one first.
              type: list
              elements: str
            required_flavour: {description: "The flavour, if only one works.", type: str}
            min_branch: {description: "The first driver branch that supports it, if it matters.", type: int}
            min_version: {description: "The first driver that supports it, if it matters.", type: str}
            unknown_to:
              description: By a later branch, its last release that is known not to know it.
              type: dict
            max_branch: {description: "The last driver branch that supports it.", type: int}
            max_cuda: {description: "The last major version of CUDA that compiles for it.", type: str}
        nvswitches:
          description: The NVSwitches, each with C(address) and C(device_id).
          type: list
          elements: dict
        nvlink5: {description: "Whether the node has NVLink 5 switches.", type: bool}
        driver:
          description: The driver's parts.
          type: dict
          contains:
            loaded: {description: "The version of the loaded module.", type: str}
            loaded_flavour: {description: "Its flavour.", type: str}
            installed: {description: "The version of the running kernel's module on disk.", type: str}
            installed_flavour: {description: "Its flavour.", type: str}
            userspace: {description: "The version of the libraries.", type: str}
            mismatch: {description: "Whether two of these three exist and differ.", type: bool}
        nouveau:
          description: Whether nouveau is C(loaded), and whether it is C(blacklisted).
          type: dict
        kernels:
          description: The installed kernels.
          type: list
          elements: dict
          contains:
            release: {description: "The release, as printed by C(uname -r).", type: str}
            running: {description: "Whether it is running.", type: bool}
            bootable: {description: "Whether its image exists.", type: bool}
            headers: {description: "Whether modules can be built for it.", type: bool}
            modules:
              description: NVIDIA's modules for it; modprobe loads the first.
              type: list
              elements: dict
              contains:
                version: {description: "Its version.", type: str}
                flavour: {description: "Its flavour.", type: str}
                path: {description: "Its file.", type: str}
                vermagic_ok: {description: "Whether it was built for this kernel.", type: bool}
                signed: {description: "Whether it is signed.", type: bool}
                signer: {description: "Whose key signed it.", type: str}
        secure_boot:
          description: The firmware's requirements for modules.
          type: dict
          contains:
            enabled: {description: "Whether modules must be signed; null without EFI.", type: bool}
            enrolled:
              description: SHA-1 fingerprints of the trusted certificates, as mokutil shows them.
              type: list
              elements: str
            lockdown: {description: "The kernel's lockdown mode.", type: str}
        cuda:
          description: CUDA toolkits below C(/usr/local).
          type: dict
          contains:
            toolkits:
              description: Each with C(version), C(path), and C(complete), whether its compiler exists.
              type: list
              elements: dict
            default: {description: "The path that C(/usr/local/cuda) leads to.", type: str}
        fabric_manager:
          description: The fabric manager.
          type: dict
          contains:
            needed: {description: "Whether the node has NVSwitch or a board with NVLink 5.", type: bool}
            version: {description: "Its version.", type: str}
            active: {description: "Whether it runs; null where it is not installed.", type: bool}
            state: {description: "How far the GPUs are in joining the fabric, if the driver reports it.", type: str}
            missing: {description: "What a board with NVLink 5 lacks for it.", type: list, elements: str}
        imex:
          description:
            - The service that joins GB200 and GB300 of several nodes. C(needed) is whether the node has such GPUs, and
              C(configured) whether C(/etc/nvidia-imex/nodes_config.cfg) exists.
          type: dict
        peer_memory:
          description:
            - GPUDirect RDMA. C(ofed) is whether NVIDIA's network drivers (OFED, DOCA) are installed, C(legacy) whether
              their old module nv_peer_mem is, and C(stale) the kernels whose nvidia-peermem is older than these.
          type: dict
        cdi:
          description:
            - The specifications of NVIDIA's devices for containers, each with its C(path), the C(versions) of the
              driver that it names, the C(missing) files, and why it is C(stale), if it is.
          type: list
          elements: dict
        processes:
          description: Processes that have a GPU open, with C(pid), C(command), C(user), C(devices) and systemd C(unit).
          type: list
          elements: dict
        reboot:
          description:
            - Whether a reboot is C(needed), and the C(reasons). A newer kernel that is installed is not a reason,
              because nothing shows whether the boot loader takes it.
          type: dict
        virtualization:
          description:
            - The kind of C(container) and of virtual machine, C(vm); empty if the node is neither. C(wsl) is Linux on
              Windows.
          type: dict
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import gpu_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(gpu_facts.read, gpu_facts.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
