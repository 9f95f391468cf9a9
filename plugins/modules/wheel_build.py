#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a step of a build of a wheel on a builder host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wheel_build
short_description: Do a step of building a wheel on a builder host
version_added: 0.2.0
description:
  - M(evenkeel.gpu.conda_lock) runs this on the host that its O(evenkeel.gpu.conda_lock#module:build_host) names; it
    is of no use in a task.
  - A program of the build runs in a sandbox of the kernel, in a private folder in the cache directory of Ansible's
    user, and sees of the host only the system's programs and libraries. The last step removes the folder.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
options:
  step:
    description:
      - V(begin) makes the folder, V(run) runs a program, V(take) makes a file of the build ready to be fetched, and
        V(end) removes the folder.
    type: str
    required: true
    choices: [begin, run, take, end]
  folder:
    description: The build's folder, as V(begin) has returned it.
    type: path
  removed:
    description: What is removed of the files that were sent before.
    type: list
    elements: str
    default: []
  program:
    description: The program to run, with what it sees and its limits.
    type: dict
    default: {}
  path:
    description: The file to take.
    type: str
  most_bytes:
    description: How large it may be.
    type: int
    default: 4294967296
"""

EXAMPLES = r"""
- name: Make a folder for a build
  evenkeel.gpu.wheel_build:
    step: begin
"""

RETURN = r"""
folder:
  description: The build's folder.
  type: str
  returned: if O(step=begin)
no_sandbox:
  description: Why this host has no sandbox; empty if it has.
  type: str
  returned: if O(step=begin)
glibc:
  description: The version of its C library; empty if it is another one.
  type: str
  returned: if O(step=begin)
  sample: "2.36"
status:
  description: How the program ended.
  type: int
  returned: if O(step=run)
cut_short:
  description: Why it was ended; empty if it was not.
  type: str
  returned: if O(step=run)
taken:
  description: Whether the file is there.
  type: bool
  returned: if O(step=take)
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import wheel_build


def main() -> None:
    run(wheel_build.converge, wheel_build.ARGUMENT_SPEC, **wheel_build.RULES)


if __name__ == "__main__":
    main()
