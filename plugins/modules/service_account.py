#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: an account of a node's own that a service runs as."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account
short_description: Manage the account that a service runs as
version_added: 0.2.0
description:
  - Creates an account with its home, or corrects the home, shell and primary group of an existing one. An account is
    never renamed, and a home is never moved; a missing one is created.
  - A created account is recorded in C(/var/lib/evenkeel/made) before it is created. O(state=absent) removes only such
    an account, and not while files are in its home, which never go, or something runs as it. RV(left) says why.
  - An account of a directory service is accepted as it is. It fails if that differs from what the task declares, since
    C(usermod) changes only accounts in C(/etc/passwd).
  - In contrast to M(ansible.builtin.user), what C(useradd) or C(usermod) would refuse is also an error in check mode,
    as far as it can be known, and the module has no options for people's accounts.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  name:
    description: The name of the account; not root.
    type: str
    required: true
  state:
    description: Whether there is an account.
    type: str
    choices: [present, absent]
    default: present
  group:
    description:
      - The name or id of its primary group, which must exist. By default, an existing account keeps its group, and a
        new one gets a group of its own.
    type: str
  home:
    description: The home. Required with O(state=present).
    type: path
  shell:
    description: The login shell.
    type: path
    default: /bin/bash
  system:
    description: Whether a new account gets an id from the range of the system's own accounts.
    type: bool
    default: true
  umask:
    description:
      - The umask that a new home is created with, in octal digits. C(HOME_MODE) in C(/etc/login.defs) takes precedence
        in C(useradd).
    type: str
    default: "0077"
seealso:
  - module: ansible.builtin.user
  - module: evenkeel.gpu.jupyter_servers
"""

EXAMPLES = r"""
- name: Keep the account that the notebook server runs as
  evenkeel.gpu.service_account:
    name: jupyter
    home: /var/lib/jupyter

- name: Remove it
  evenkeel.gpu.service_account:
    name: jupyter
    state: absent
"""

RETURN = r"""
left:
  description: Why an account stays that the module has created and that is to be removed.
  type: list
  elements: str
  returned: with O(state=absent)
  sample: ["the account jupyter: files are in its home /var/lib/jupyter, such as /var/lib/jupyter/a.ipynb"]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import service_account
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(service_account.converge, service_account.ARGUMENT_SPEC, **service_account.RULES)


if __name__ == "__main__":
    main()
