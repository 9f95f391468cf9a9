#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a group whose members may forward ports and sockets through sshd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_forwarding
short_description: Let the members of a group forward ports and sockets through sshd
version_added: 0.1.0
description:
  - Manages a drop-in of sshd with one block, C(Match Group), and a group with its members. Other users' connections are
    not affected.
  - Before anything changes, the node's own sshd tests the whole configuration with the drop-in in place. sshd must
    start with it (C(sshd -t)), and the settings must be in force for every user (C(sshd -T)). Because sshd uses the
    first value that it reads, another file may win; the error then names it.
  - Users leave the group when they are no longer listed, if this module has added them. With O(state=absent), so do all
    that it has added, and the group goes if it has made it and nobody else is in it. RV(left) names what stays.
  - sshd is reloaded, not restarted, and sessions continue. If that fails, the old drop-in is restored.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  state:
    description: Whether members of a group may forward.
    type: str
    choices: [present, absent]
    default: present
  group:
    description: The group, made when it is missing. Required with O(state=present).
    type: str
  users:
    description: Accounts of the node to add to the group.
    type: list
    elements: str
    default: []
  planned_users:
    description: Those of O(users) that the same run creates before this task; check mode does not require them.
    type: list
    elements: str
    default: []
  settings:
    description: Keywords of sshd_config(5), with their values, for the group.
    type: dict
    default:
      AllowTcpForwarding: "yes"
      AllowStreamLocalForwarding: "yes"
      DisableForwarding: "no"
  drop_in:
    description:
      - Whether to write the drop-in C(/etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf). With V(false) there is
        none, and O(settings) must be in force without it, for an sshd that reads no drop-ins, such as OpenSSH before
        8.2.
    type: bool
    default: true
seealso:
  - module: evenkeel.gpu.vscode_remote
    description: Prepares a node for VS Code's Remote SSH.
"""

EXAMPLES = r"""
- name: Let Ana and Bo reach their notebooks through SSH
  evenkeel.gpu.ssh_forwarding:
    group: evenkeel-remote
    users: [ana, bo]

- name: Let nobody
  evenkeel.gpu.ssh_forwarding:
    state: absent
"""

RETURN = r"""
left:
  description: The groups that this module has made and that stay.
  type: list
  elements: str
  returned: with O(state=absent)
  sample: ["the group evenkeel-remote: cleo is in it"]
joined:
  description: The users that were added to the group, or in check mode would be.
  type: list
  elements: str
  returned: success
  sample: [ana]
path:
  description: The drop-in.
  type: str
  returned: success
  sample: /etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf
reloaded:
  description: Whether sshd was reloaded, or in check mode would be.
  type: bool
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import ssh_forwarding
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(ssh_forwarding.converge, ssh_forwarding.ARGUMENT_SPEC, **ssh_forwarding.RULES)


if __name__ == "__main__":
    main()
