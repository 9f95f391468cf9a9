#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the lease by which one run at a time changes a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_lease
short_description: Have one run at a time change a node
version_added: 0.2.0
description:
  - A run that is about to change a node takes its lease, and fails where another run of a control node or of the node
    itself, which pulls, has it. The error says who that is, by which playbook, since when and until when.
  - The lease is a file of root's in C(/run/evenkeel/lease), so it ends with a boot. It lasts for an hour. Where
    RV(run) is in the variable C(EVENKEEL_RUN) of the tasks' environment, each module of this collection renews it,
    and fails if another run has taken the node meanwhile.
  - A run that was killed loses its lease at once to the next run from the same machine. Where the variable
    C(evenkeel_take_over) is true, a run takes the node from any other, whose modules then fail.
  - Check mode takes no lease, and is not stopped by one.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  check_mode:
    details: Does nothing.
  diff_mode:
    support: none
  idempotent:
    details: A lease is no change of the node.
options:
  state:
    description: V(held) takes or renews the lease. V(free) ends it, if it is this run's.
    type: str
    choices: [held, free]
    required: true
seealso:
  - module: evenkeel.gpu.survey
    description: Reports a lease before anything changes, without a call of its own.
"""

EXAMPLES = r"""
- name: Change a node
  hosts: gpu_nodes
  become: true
  environment:
    EVENKEEL_RUN: "{{ (lease | default({})).run | default('') }}"
  tasks:
    - name: Take the node
      evenkeel.gpu.node_lease:
        state: held
      register: lease

    - name: Change it
      block:
        - name: Install the driver
          ansible.builtin.include_role:
            name: evenkeel.gpu.nvidia_driver
      always:
        - name: Let go of the node
          evenkeel.gpu.node_lease:
            state: free
          register: lease
"""

RETURN = r"""
run:
  description: This run, for C(EVENKEEL_RUN).
  type: str
  returned: success and O(state=held), except in check mode
  sample: '{"id": "5a0e4f7c12ab98de", "who": "ana@control1", "what": "site.yml", "machine": "...", "process": "..."}'
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import node_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(node_lease.converge, node_lease.ARGUMENT_SPEC, from_action=node_lease.FROM_ACTION, renews_lease=False)


if __name__ == "__main__":
    main()
