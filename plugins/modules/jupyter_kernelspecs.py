#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the kernels that Jupyter offers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_kernelspecs
short_description: Register conda environments as Jupyter kernels
version_added: 0.1.0
description:
  - Converges all kernelspecs of a directory in one call. Kernelspecs that this module wrote and that are no longer
    listed are removed; others are never touched.
  - A kernel resolves its environment's path when it starts, and keeps that generation when the path is switched to
    another.
  - A kernel gets what C(conda activate) gives, from the environment's variables and its scripts in
    C(etc/conda/activate.d). If these fail or take too long, the kernel starts without their variables, and its standard
    error, which is the notebook server's log, contains the reason.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  state:
    description: Whether the directory has kernelspecs of this module.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: The directory of the kernelspecs, which notebook servers must search.
    type: path
    default: /usr/local/share/jupyter/kernels
  environments:
    description: The directory of the named environments.
    type: path
    default: /opt/evenkeel/envs
  kernels:
    description: All kernels that the directory has to have. Required with O(state=present).
    type: list
    elements: dict
    suboptions:
      name:
        description: The kernel's name in notebooks; letters, digits, C(.), C(_) and C(-). Jupyter converts it to lower
          case.
        type: str
        required: true
      environment:
        description:
          - The environment that it runs in, as a name below O(environments) or an absolute path. It must contain
            ipykernel.
          - The kernel's name by default.
        type: str
      display_name:
        description: The name that users see. V(Python (NAME\)) when it is not given.
        type: str
      cuda_visible_devices:
        description: The GPUs that it sees, by number or UUID, such as V(0,1). All by default, none when empty.
        type: str
      memory_max:
        description:
          - Memory limit for each of its processes, such as V(48G). Code that asks for more gets a C(MemoryError), and
            the kernel continues. Memory that a library maps without using it does not count.
        type: str
      env:
        description: Additional variables of the kernel. They take precedence over its environment's, except for
          C(PATH), which is extended.
        type: dict
        default: {}
  distribution:
    description: The prefix of conda, for C(CONDA_EXE), C(condabin) in C(PATH), and scripts that call C(conda). It may
      be missing.
    type: path
    default: /opt/miniconda3
  activation_timeout:
    description: How many seconds an environment's scripts in C(etc/conda/activate.d) may take.
    type: int
    default: 20
  server:
    description:
      - The environment that the notebook server runs from, as a name or a path. It must contain JupyterLab. This is
        checked here so that one message names all incomplete environments, before anything changes.
    type: str
  planned:
    description: The environments that the same run builds before this task; check mode does not require them.
    type: list
    elements: str
    default: []
seealso:
  - module: evenkeel.gpu.conda_environment
    description: Builds the environments.
  - module: evenkeel.gpu.jupyter_servers
    description: Manages the notebook servers.
"""

EXAMPLES = r"""
- name: Register the kernels of two environments
  evenkeel.gpu.jupyter_kernelspecs:
    kernels:
      - name: ai-dev
      - name: vision
        display_name: Vision, first GPU
        env:
          TOKENIZERS_PARALLELISM: "false"
        cuda_visible_devices: "0"
"""

RETURN = r"""
written:
  description: The kernels that were added or changed.
  type: list
  elements: str
  returned: success
removed:
  description: The kernels that were removed.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(jupyter_kernelspecs.converge, jupyter_kernelspecs.ARGUMENT_SPEC, **jupyter_kernelspecs.RULES)


if __name__ == "__main__":
    main()
