#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: review what a fleet runs and what its locks hold. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: review_report
short_description: Review what of a fleet and its locks is out of date, past its end of life or vulnerable
version_added: 0.2.0
description:
  - Writes C(report.json) and C(index.html) to one folder. Says until when what nodes, inventory and locks have is
    supported, which packages have newer versions, what an update as of M(evenkeel.gpu.conda_lock) would change, and
    which known vulnerabilities the Python packages of locks have.
  - What can't be found out is reported as unknown. A lock that can't be read, or an environment that can't be solved,
    is part of the report.
  - Runs on the control node, regardless of the task's host, and asks no node. It changes no lock; with O(update), it
    writes updated ones to a branch. In check mode, it writes the report and no branch.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
  - evenkeel.gpu.locking
requirements:
  - py-rattler and uv on the control node
options:
  environments:
    description: The environment files whose locks to review, as P(evenkeel.gpu.nodes_cuda#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      environment:
        description: The environment file.
        type: path
        required: true
      cuda:
        description: The CUDA version that the nodes' drivers support; empty for none.
        type: str
      reason:
        description: The driver that decides that; not used.
        type: str
  begun:
    description: When the run began, in seconds since 1970.
    type: float
    required: true
  site:
    description: A folder in the repository of what is declared, such as that of the environments.
    type: path
    required: true
  directory:
    description: The folder to write to. It is made if it is missing, with a C(.gitignore).
    type: path
    required: true
  mode:
    description: The mode of the files, as octal digits.
    type: str
    default: "0600"
  nodes:
    description: The C(report.json) of M(evenkeel.gpu.drift_report) that says what nodes have.
    type: path
  driver_branch:
    description: The branch of the driver on a node that declares none.
    type: str
    default: ""
  conda_distribution:
    description: The distribution of conda on a node that declares none.
    type: str
    default: miniconda
  conda_versions:
    description: By distribution, its version on a node that declares none, as of the role C(miniconda).
    type: dict
    default: {}
  advisories:
    description:
      - Files, folders and zip archives with advisories in OSV's format. Those for the ecosystem PyPI count.
      - What is malformed is a warning and stands in the report.
    type: list
    elements: path
    default: []
  update:
    description:
      - Whether to write updated locks to a branch of the repository of O(environments), a commit for each, with the
        difference of its packages as the message. Work trees, indexes and other branches are left alone.
      - A lock is left out whose files differ from the last commit, or for which wheels have to be built.
    type: bool
    default: false
  branch:
    description:
      - The branch for O(update), by default C(evenkeel-review-DATE). What an earlier review has written to it goes.
      - It is refused if it is checked out somewhere, is a symbolic ref, can't be written to, or has a commit that a
        person has made or changed.
    type: str
  fail_on:
    description:
      - What makes the task fail once the report is written. V(eol), a version past its end of life; V(vulnerable), a
        known vulnerability; V(outdated), a lock that an update would change. What is unknown of these fails too,
        so V(vulnerable) fails where no advisory counts, or a file of O(advisories) is malformed.
    type: list
    elements: str
    choices: [eol, vulnerable, outdated]
    default: []
seealso:
  - module: evenkeel.gpu.conda_lock
  - module: evenkeel.gpu.drift_report
"""

EXAMPLES = r"""
- name: Review an environment
  evenkeel.gpu.review_report:
    environments:
      - environment: environments/ai-dev/environment.yml
    begun: "{{ now().timestamp() }}"
    site: "{{ inventory_dir }}"
    directory: review
    advisories: [/srv/advisories/all.zip]
"""

RETURN = r"""
counts:
  description: How much was found, by C(ended), C(ending), C(vulnerable), C(outdated) and C(unknown).
  type: dict
  returned: success
page:
  description: The page.
  type: str
  returned: success
  sample: /srv/site/review/index.html
"""
