#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what a node has that others have set up, of what Evenkeel sets up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: adopt_info
short_description: Read what others have set up on a node
version_added: 0.2.0
description:
  - Finds distributions and environments of conda, notebook servers, a driver from NVIDIA's installer, and traces of
    programs that set up machines for GPUs or notebooks. Changes nothing.
  - Homes of local accounts are read with their users' rights and within limits of time. What is on a file server is
    found, but not measured.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  own:
    description: Directories of Evenkeel's own, in which everything is passed over.
    type: list
    elements: path
    default: [/opt/evenkeel]
  prefix:
    description: Where Evenkeel's distribution is to be. One of others there is in the way.
    type: path
    default: /opt/miniconda3
  seconds:
    description: How many seconds one home, or one folder of the system's, may take.
    type: int
    default: 20
  total_seconds:
    description: How many seconds all of them may take together.
    type: int
    default: 120
seealso:
  - module: evenkeel.gpu.preflight
    description: Finds out what stands against an installation.
"""

EXAMPLES = r"""
- name: Read what others have set up
  evenkeel.gpu.adopt_info:
  register: found
"""

RETURN = r"""
conda:
  description:
    - For each place its C(path), C(kind) (C(distribution) or C(environment)), C(owner), the number of C(packages) and
      their C(fingerprint), the C(bytes) that it uses, and whether it is C(in_the_way) of Evenkeel's distribution.
    - Environments with the same C(fingerprint) have the same packages, by the names of their records. What is not
      C(measured) to the end uses more; V(0) stands for one that was not at all.
  type: list
  elements: dict
  returned: success
settings:
  description:
    - Files of users that have an effect on every conda of theirs. Of each the C(path), and the C(kind), which is
      C(condarc), or C(start) for a file of a shell in which C(conda init) has written.
  type: list
  elements: dict
  returned: success
unread:
  description: Why a home or folder could not be read.
  type: list
  elements: str
  returned: success
servers:
  description:
    - For each notebook server its C(unit) and the C(path) of that, which is empty if somebody has started it
      otherwise; the C(user) and C(pid) of its process, the C(folder) that it shows, as far as that is known, whether it
      is C(enabled) and C(running), and the addresses on which it C(listens).
  type: list
  elements: dict
  returned: success
set_up_by:
  description: For each program that has set up the node its C(name), and the C(path) that shows it.
  type: list
  elements: dict
  returned: success
runfile:
  description: The version of a driver from NVIDIA's installer; empty if there is none.
  type: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import adopt_info
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(adopt_info.read, adopt_info.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
