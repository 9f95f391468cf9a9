#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what roles would change on a node, and what would make them fail."""

from __future__ import annotations

DOCUMENTATION = r"""
module: survey
short_description: Find out what roles would change and what would make them fail, before anything changes
version_added: 0.2.0
description:
  - Validates the inputs of roles of this collection, then rehearses their tasks on the node in one call. Each role is
    a layer of the result.
  - Where a task would change something, the survey asks what the run would ask, from where the run would ask it, such
    as for a package's version or a channel's terms of service. Where nothing would change, it uses no network.
  - With O(fail), all problems of all roles are one error, before the first change.
  - Changes nothing on the node, in check mode or not, but for its own code, which the node keeps compiled in
    C(/var/lib/evenkeel/code). Check mode doesn't keep it.
  - Compares the known C(ansible_facts) with the node. Where its machine-id, its architecture or its release is another
    one, or facts are missing, gathers them anew, for this task and all that follow.
  - The roles' variables must be known to the play. C(ansible.builtin.import_role) with C(tasks_from=variables) makes
    them known without a task.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: full
    details: The changes in RV(layers) have differences. None is shown as this task's own.
options:
  roles:
    description: The names of roles of this collection, without its name, in the order in which they would run.
    type: list
    elements: str
    required: true
  seconds:
    description: How long each layer may take on the node in each round. The rest of a slower one is unknown.
    type: int
    default: 600
  seconds_variable:
    description: The variable by which an operator sets O(seconds), for messages to name it.
    type: str
  answer_seconds:
    description:
      - How many seconds a server may stay silent. Every server is asked once then, all layers begin at the same time,
        and what the control node asks has to end within O(seconds) as well.
      - Without it, servers are asked as patiently as the run asks them.
    type: int
  fail:
    description: Whether problems are an error. Otherwise they are in RV(layers) only.
    type: bool
    default: true
  by_item:
    description: Whether RV(items) has what was found out of each item of roles' loops, such as each environment.
    type: bool
    default: false
  lease:
    description:
      - Whether, with O(fail), it is a problem that another run changes the node, where there is something to do. See
        M(evenkeel.gpu.node_lease). In check mode it is none.
      - A run of which it is known that it has ended is no problem, nor is one where the variable C(evenkeel_take_over)
        is true.
    type: bool
    default: true
seealso:
  - module: evenkeel.gpu.validate_inputs
    description: Validates the inputs alone, on the control node.
  - module: evenkeel.gpu.node_lease
    description: Takes a node, so that other runs leave it alone.
"""

EXAMPLES = r"""
- name: Know the variables of miniconda
  ansible.builtin.import_role:
    name: evenkeel.gpu.miniconda
    tasks_from: variables

- name: Survey what would change
  evenkeel.gpu.survey:
    roles: [miniconda]
  register: survey

- name: Bring the node to the declared state
  ansible.builtin.include_role:
    name: evenkeel.gpu.miniconda
    tasks_from: converge
  when: "'miniconda' in survey.to_do"
"""

RETURN = r"""
msg:
  description: A line for each problem, which begins with its role.
  type: str
  returned: failure
  sample: "miniconda: miniconda_store is opt, which is not an absolute path. Begin it with /."
no_python:
  description: True if the node has no Python.
  type: bool
  returned: failure for want of Python
roles:
  description: The roles that were surveyed.
  type: list
  elements: str
  returned: success
asked:
  description: Those of them that have a task on this node; others are off, or have nothing to do there.
  type: list
  elements: str
  returned: success
took:
  description: How many seconds the survey took.
  type: float
  returned: success
to_do:
  description: Those that have something to do, which is a change, a reboot, or something that could not be found out.
  type: list
  elements: str
  returned: success
  sample: [condarc]
as_declared:
  description: Whether no role has something to do or a problem, and no user has one.
  type: bool
  returned: success
layers:
  description: What was found out, by role; of the following, what there is.
  type: dict
  returned: success
  contains:
    changes:
      description:
        - What would change, each C(task) with its C(plan) if it has one, and with C(--diff) or C(diff=true) its
          C(diff).
      type: list
      elements: dict
    problems:
      description: What would make the role fail.
      type: list
      elements: str
    unknown:
      description: What could not be found out.
      type: list
      elements: str
    warnings:
      description: Warnings of its tasks.
      type: list
      elements: str
    user_problems:
      description: Problems with what users own, by user. They are neither an error nor something to do.
      type: dict
    reboot:
      description: Why the node has to be rebooted.
      type: list
      elements: str
    restarts:
      description: What waits for its restart, such as the server of a user who runs something.
      type: list
      elements: str
    left:
      description: What stays although the role would change or remove it, each with the reason.
      type: list
      elements: str
    state:
      description: Versions and digests, by task.
      type: dict
      sample: {conda_environment ai-dev: {digest: 3f9a}}
items:
  description:
    - The same by role and item of its loops. What no loop is about is the item that has an empty name. Only roles with
      a loop are in it.
  type: dict
  returned: with O(by_item)
ansible_facts:
  description:
    - The facts of M(evenkeel.gpu.gpu_facts), if a role chooses by them.
    - The facts of M(ansible.builtin.setup), subset C(min), if those of an earlier run are not of the node as it is.
  type: dict
  returned: if there are any
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import survey


def main() -> None:
    run(survey.read, survey.ARGUMENT_SPEC, from_action=survey.FROM_ACTION, verbatim=survey.VERBATIM)


if __name__ == "__main__":
    main()
