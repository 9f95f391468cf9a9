#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a node that pulls."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pull_agent
short_description: Have a node pull what it is to be from a git repository
version_added: 0.2.0
description:
  - Installs the program C(evenkeel-pull), an environment of ansible-core for it, its settings and secrets, and a
    systemd timer that runs it. Each run fetches the repository, verifies it, runs its playbook on the node, and
    reports.
  - The environment is made of wheels of the versions that the control node has, which the control node fetches and
    copies. A version of the program with its environment is built beside the one in use, has to start, and is then
    switched to by one rename. If its first run by the timer can't run either, the version before is used again.
  - git is installed where it is missing.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - pip on the control node, unless O(wheels) has all wheels
  - Python 3.11 or newer on the node
options:
  enabled:
    description: Whether the node pulls. When V(false), everything that was made or installed for it is removed.
    type: bool
    default: true
  root:
    description: The directory of the program and its environment.
    type: path
    default: /opt/evenkeel/pull
  python:
    description: The node's Python for ansible-core; when empty, the newest of the distribution's.
    type: path
    default: ""
  wheels:
    description: A directory on the control node with the wheels, for a control node without a package index.
    type: path
  host:
    description: The node's name in the repository's inventory.
    type: str
    default: ""
  remote:
    description: The repository, as an https, http or ssh URL, C(USER@HOST:PATH), or an absolute path.
    type: str
    default: ""
  branch:
    description: The branch that is applied; empty for a tag.
    type: str
    default: main
  tag:
    description: The tag that is applied, instead of a branch.
    type: str
    default: ""
  signed:
    description: What must have a signature of one of O(allowed_signers).
    type: str
    choices: [commit, tag, nothing]
    default: commit
  allow_older:
    description: Whether a commit is applied that does not follow the last applied one.
    type: bool
    default: false
  playbook:
    description: The playbook's path within the repository.
    type: str
    default: site.yml
  inventory:
    description: The inventory's path within the repository.
    type: str
    default: ""
  timeout:
    description: After how many seconds a run of the playbook is ended.
    type: int
    default: 7200
  fetch_timeout:
    description: After how many seconds a fetch is ended.
    type: int
    default: 600
  report_to:
    description: An https or http URL, C(USER@HOST:PATH) or an absolute path, where C(HOST.json) is put after each run.
    type: str
    default: ""
  interval:
    description: How many minutes after the end of a run the next one begins.
    type: int
    default: 30
  splay:
    description: Up to how many minutes each node begins later.
    type: int
    default: 30
  allowed_signers:
    description: The keys that may sign, in the format that ssh-keygen(1) describes.
    type: str
    default: ""
  known_hosts:
    description: Host keys, as lines of a known_hosts file.
    type: str
    default: ""
  ca_bundle:
    description: Certificates in PEM for https; when empty, those of the system.
    type: str
    default: ""
  git_key:
    description: A private SSH key for the repository. When a secret is empty, what the node has stays.
    type: str
    default: ""
  git_token:
    description: A token, or C(USER:PASSWORD), for the repository over https.
    type: str
    default: ""
  report_key:
    description: A private SSH key for rsync.
    type: str
    default: ""
  report_token:
    description: A token for PUT.
    type: str
    default: ""
  vault_password:
    description: The password of Ansible Vault.
    type: str
    default: ""
  variables:
    description: A file of secret variables, as its text.
    type: str
    default: ""
  lock_timeout:
    description: How many seconds to wait while another process uses the package manager.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Have the node pull
  evenkeel.gpu.pull_agent:
    host: "{{ inventory_hostname }}"
    remote: https://git.example/fleet/site.git
    inventory: inventories/mine
    allowed_signers: "{{ lookup('ansible.builtin.file', 'allowed_signers') }}"

- name: Have it pull no more
  evenkeel.gpu.pull_agent:
    enabled: false
"""

RETURN = r"""
version:
  description: The id of the program's version with its environment; empty if it is removed.
  type: str
  returned: success
  sample: 3b7f0a2d1f9c4e5a
packages:
  description: What the package manager does for git.
  type: list
  elements: str
  returned: success
left:
  description: Packages that were installed for it and that something else needs, with O(enabled=false).
  type: list
  elements: str
  returned: with O(enabled=false)
unknown:
  description: What could not be found out of the package manager.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import pull_agent


def main() -> None:
    run(pull_agent.converge, pull_agent.ARGUMENT_SPEC, from_action=pull_agent.FROM_ACTION)


if __name__ == "__main__":
    main()
