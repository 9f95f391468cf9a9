#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a machine without what is its own alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_seal
short_description: Take from a machine what is its own alone, so that its disk can be that of many
version_added: 0.2.0
description:
  - Removes what O(parts) names, and nothing else. What is there when sealing is interrupted goes in the next run.
  - Installs a unit that runs once, at the first boot from the disk, before the network and SSH. It makes host keys
    where the distribution does not, and files that are to come anew. It then disables itself.
  - Without host keys, no new connection to the machine is possible until it boots again.
  - Fails before it changes anything if people have files in their homes, or if a path of O(refused) is there.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    details: Shows paths, and no content that goes.
  idempotent:
    support: partial
    details: A machine that goes on running writes logs again.
options:
  parts:
    description: What goes, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: >-
          A pattern of paths, in which C(**) is any number of folders. With C(~/) at its beginning, it is one in the
          home of root, of each local user from the id 1000 on, and of each owner of a file that comes anew.
        type: str
        required: true
      what:
        description: What it is.
        type: str
        required: true
      why:
        description: Why it can't be in an image.
        type: str
        required: true
      how:
        description: >-
          V(remove) removes the path, V(empty) keeps all its files without content, and V(lines) removes the lines that
          match O(parts[].lines).
        type: str
        choices: [remove, empty, lines]
        default: remove
      lines:
        description: A regular expression.
        type: str
      where:
        description: A path without which the part stays.
        type: path
      secret:
        description: Whether files are overwritten before they are removed.
        type: bool
        default: false
      anew:
        description: Whether the file gets new random content at the first boot, with its owner and for its owner alone.
        type: bool
        default: false
      again:
        description: Whether the first boot removes it, too, since a machine writes it while it shuts down.
        type: bool
        default: false
  units:
    description: Units that are stopped first, by name or pattern, since they would write again.
    type: list
    elements: str
    default: []
  known:
    description: What is in homes and is no work of people. It stays.
    type: list
    elements: dict
    default: []
    suboptions: &named
      path:
        description: A pattern of paths.
        type: str
        required: true
      what:
        description: What it is.
        type: str
        required: true
      why:
        description: Why it is treated so, or what to do about it.
        type: str
        required: true
  refused:
    description: What forbids sealing.
    type: list
    elements: dict
    default: []
    suboptions: *named
  left:
    description: What stays, and is warned of.
    type: list
    elements: dict
    default: []
    suboptions: *named
  keep_homes:
    description: Whether homes may have files, which every machine of the image then has.
    type: bool
    default: false
  poweroff:
    description: Whether the machine powers off some seconds later.
    type: bool
    default: false
seealso:
  - module: evenkeel.gpu.image
    description: Makes a container image.
"""

EXAMPLES = r"""
- name: Seal a machine
  evenkeel.gpu.node_seal:
    parts:
      - path: /etc/ssh/ssh_host_*_key
        what: SSH host key
        why: Each machine could pass for the others
        secret: true
      - path: /etc/machine-id
        what: the machine's id
        why: It is to differ
        how: empty
    poweroff: true
"""

RETURN = r"""
sealed:
  description: What goes, each with C(path) and C(what).
  type: list
  elements: dict
  returned: success
first_boot:
  description: The files that come anew at the first boot.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import node_seal


def main() -> None:
    run(node_seal.converge, node_seal.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
