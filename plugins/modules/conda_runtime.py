#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: Evenkeel's own tools beside a conda distribution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_runtime
short_description: Install the tools that build environments beside the conda distribution
version_added: 0.1.0
description:
  - Unpacks py-rattler and uv from wheels into a directory of their own below O(root), so that the distribution's base
    environment stays clean.
  - The wheels are copied from the control node, in the versions that are installed there, so a node needs no package
    index. The control node's pip downloads them once for each platform, and they are cached in C(evenkeel/wheels) of
    the user's cache directory.
  - A runtime is named after its wheels. It is created beside the others and renamed when it is complete; the next run
    removes the leftovers of a killed run. The newest of the other runtimes is kept.
  - Its files are hashed in every run. If a file is damaged, missing or added, the runtime is rebuilt.
  - py-rattler runs on the distribution's Python. If that is too old or missing, the runtime contains only uv, and the
    result contains the reason.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - py-rattler, uv, packaging and pip on the control node
options:
  root:
    description: The directory with C(runtime/) and C(locks/).
    type: path
    default: /opt/evenkeel
  python:
    description: The distribution's Python.
    type: path
    default: /opt/miniconda3/bin/python
  wheels:
    description:
      - A directory on the control node with the wheels, for a control node without a package index. They must have the
        versions that are installed on the control node, and fit the node's platform.
    type: path
  lock_timeout:
    description: How many seconds to wait for another run that uses the same O(root).
    type: int
    default: 1800
seealso:
  - module: evenkeel.gpu.conda_distribution
    description: Installs the distribution.
  - module: evenkeel.gpu.conda_environment
    description: Builds environments with the runtime.
"""

EXAMPLES = r"""
- name: Bring py-rattler and uv
  evenkeel.gpu.conda_runtime:

- name: Bring them from a control node without an index
  evenkeel.gpu.conda_runtime:
    wheels: wheels
"""

RETURN = r"""
path:
  description: The runtime's directory, with C(site-packages/) and C(bin/uv).
  type: str
  returned: success
  sample: /opt/evenkeel/runtime/3b7f0a2d1f9c4e5a
rattler:
  description: Whether the runtime has py-rattler.
  type: bool
  returned: success
reason:
  description: Why it lacks py-rattler; empty if it has it.
  type: str
  returned: success
  sample: /opt/miniconda3/bin/python is Python 3.9.25, and py-rattler needs 3.10 or newer
python:
  description: The interpreter that the runtime is for.
  type: str
  returned: success
  sample: /opt/miniconda3/bin/python
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_runtime
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(conda_runtime.converge, conda_runtime.ARGUMENT_SPEC, from_action=conda_runtime.FROM_ACTION)


if __name__ == "__main__":
    main()
