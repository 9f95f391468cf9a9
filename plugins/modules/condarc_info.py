#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: which of conda's configuration files wins."""

from __future__ import annotations

DOCUMENTATION = r"""
module: condarc_info
short_description: Tell which of conda's configuration files wins, for a user and an environment
version_added: 0.3.0
description:
  - Reads every file that conda would read and tells for each key what conda makes of them, by its own rules. Lists are
    put together with the file of highest precedence first, maps entry by entry, of single values the last word counts;
    C(#!final), C(#!top) and C(#!bottom) do what they do for conda. conda is not started.
  - What a user's shell says is not to be seen on a node, so C(CONDARC), C(XDG_CONFIG_HOME) and variables such as
    C(CONDA_CHANNELS), which win over every file, are not considered.
  - Passwords and tokens in URLs are hidden.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: none
requirements:
  - ruamel.yaml on the control node
options:
  keys:
    description: What to tell of; every key that a file sets when empty.
    type: list
    elements: str
    default: []
  user:
    description: Whose files count beside those of the system; nobody's when it is not given.
    type: str
  prefix:
    description: The environment in use; the distribution's base when it is not given.
    type: path
  distribution:
    description: The conda distribution of the node.
    type: path
    default: /opt/miniconda3
"""

EXAMPLES = r"""
- name: Ask where alice's channels come from
  evenkeel.gpu.condarc_info:
    user: alice
    keys: [channels]
  register: found

- name: Show it
  ansible.builtin.debug:
    msg: "{{ found.settings.channels }}"
"""

RETURN = r"""
settings:
  description: What counts, by key.
  type: dict
  returned: success
  contains:
    value:
      description: What conda makes of all files.
      type: raw
    file:
      description: The file that wins; of a list, the one that its first items are from.
      type: str
    files:
      description: All files that set the key, the lowest precedence first.
      type: list
      elements: str
    pinned_by:
      description: The file whose C(#!final) keeps those of higher precedence out; empty without one.
      type: str
  sample:
    channels:
      value: [conda-forge, defaults]
      file: /home/alice/.condarc
      files: [/etc/conda/condarc.d/evenkeel.yml, /home/alice/.condarc]
      pinned_by: ""
files:
  description: The files that conda would read, the lowest precedence first.
  type: list
  elements: str
  returned: success
  sample: [/etc/conda/condarc.d/evenkeel.yml, /home/alice/.condarc]
problems:
  description: What is wrong with files, by path. conda ignores some of them and stops at others.
  type: dict
  returned: success
  sample: {/home/alice/.condarc: '/home/alice/.condarc, line 3: found duplicate key "channels"'}
user_problems:
  description:
    - By user what is wrong with the user's own files, those of RV(problems) and what kept others from being read. It is
      a warning too.
  type: dict
  returned: success
  sample: {alice: ['/home/alice: there was no answer within 10 s; a file system in it may hang']}
conda_version:
  description: The release that O(distribution) holds; empty when there is none.
  type: str
  returned: success
  sample: 26.5.3
found:
  description: What the node has. The action answers it; a task never sees it.
  type: dict
  returned: when the action has not answered yet
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import condarc_info
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(condarc_info.read, condarc_info.ARGUMENT_SPEC, verbatim=("found",))


if __name__ == "__main__":
    main()
