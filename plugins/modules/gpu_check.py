#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: whether the GPUs of a node work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_check
short_description: Use every GPU of a node, and fail unless all work
version_added: 0.1.0
description:
  - Starts CUDA through the driver's own library, copies data to each GPU and back, compares it and measures the speed;
    reads memory errors from NVML; and compares how many GPUs CUDA, NVML and the PCI bus report. This needs no
    framework.
  - With O(environment), PyTorch and TensorFlow, if installed, multiply matrices on each GPU, and the product is
    compared with the CPU's. They run as the user C(nobody), with the groups that own the GPUs' device files.
  - Each part runs in a process of its own, which ends after O(timeout), so a GPU that hangs or kills a program does not
    stop the module.
  - A node without a GPU passes, unless O(min_gpus) requires some.
  - Uses about 32 MiB of each GPU's memory for a few seconds. It also runs in check mode.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  environment:
    description: The prefix of a conda environment whose frameworks to check.
    type: path
  min_gpus:
    description: How many GPUs must work.
    type: int
    default: 0
  min_bandwidth_gbps:
    description: The minimum speed of each copy, in 10^9 bytes a second. PCIe 4.0 with 16 lanes reaches about 25.
    type: float
    default: 0
  max_ecc_errors:
    description: How many uncorrected memory errors since boot a GPU may have.
    type: int
    default: 0
  timeout:
    description: Time limit in seconds for the driver's part, and for the environment's.
    type: int
    default: 120
seealso:
  - module: evenkeel.gpu.gpu_facts
    description: Reports what a node has, without using a GPU.
  - plugin: evenkeel.gpu.gpu_verdicts
    plugin_type: filter
    description: Sums up the checks of several nodes.
"""

EXAMPLES = r"""
- name: Require eight GPUs that work, also for PyTorch
  evenkeel.gpu.gpu_check:
    environment: /opt/evenkeel/envs/ai-dev
    min_gpus: 8
    min_bandwidth_gbps: 20
"""

RETURN = r"""
ok:
  description: Whether there is no problem; otherwise the module fails, and returns the same keys.
  type: bool
  returned: always
present:
  description: Whether the node has a GPU.
  type: bool
  returned: always
verdict:
  description: The result in one line.
  type: str
  returned: always
  sample: 8 GPUs work
problems:
  description: What is wrong, and what to do about it.
  type: list
  elements: str
  returned: always
cuda:
  description: The CUDA version that the driver supports.
  type: str
  returned: always
  sample: "13.0"
gpus:
  description: The GPUs that CUDA found.
  type: list
  elements: dict
  returned: always
  contains:
    address: {description: "The PCI address.", type: str}
    name: {description: "The model.", type: str}
    memory_mib: {description: "Its memory in MiB.", type: int}
    to_gpu_gbps: {description: "The speed of the copy to it, in 10^9 bytes a second.", type: float}
    from_gpu_gbps: {description: "The speed of the copy from it.", type: float}
    ecc_errors: {description: "Uncorrected memory errors since boot; null where it has no ECC.", type: int}
    ok: {description: "Whether it works.", type: bool}
    problems: {description: "Its problems.", type: list, elements: str}
frameworks:
  description: The frameworks of O(environment).
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: "Its name.", type: str, sample: torch}
    version: {description: "Its version.", type: str}
    installed: {description: "Always true.", type: bool}
    gpus: {description: "How many GPUs it sees.", type: int}
    wrong: {description: "The GPUs whose result differs from the CPU's.", type: list, elements: int}
    error: {description: "The exception that it raised.", type: str}
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import gpu_check
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(gpu_check.read, gpu_check.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
