#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: one of conda's configuration files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: condarc
short_description: Write one of conda's configuration files from structured data
version_added: 0.1.0
description:
  - Before anything is written, keys and values are checked against the list of conda's keys, with their types and
    releases. A key that the node's conda knows by an older name, such as C(auto_activate_base) for C(auto_activate), is
    written with that name.
  - YAML is read and written on the control node, so a node needs no library for it. A run that changes nothing executes
    once on the node.
  - Passwords and tokens in URLs are hidden in results and diffs, and a file that gets one from O(settings) has mode
    0600. conda stops at a file that it can't read, so such a system-wide file stops all users but root. Write
    C(https://${NAME}:${PASSWORD}@host) instead, which conda expands from the environment of the user who runs it.
  - A file is replaced by one rename, and only if it has not changed since it was read.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - ruamel.yaml on the control node
options:
  settings:
    description:
      - Keys and values, as in conda's own file. A value replaces the whole value; V(merged) does not add items to an
        existing list.
    type: dict
    default: {}
  state:
    description:
      - With V(merged), the keys of O(settings) get their values, and every other line of the file stays as people wrote
        it, comments included. Comments above and behind a key stay, as do those of items that stay.
      - With V(exact), the file contains O(settings) and nothing else. A file that Evenkeel did not write is kept as a
        backup.
      - With V(absent), there is no file, but what was there before V(exact), if it was kept. A file that Evenkeel did
        not write with V(exact) stays, and RV(left) names it.
    type: str
    choices: [merged, exact, absent]
    default: merged
  remove:
    description: Keys that V(merged) removes from the file, in any spelling.
    type: list
    elements: str
    default: []
  final:
    description:
      - Keys of O(settings) that no file of higher precedence can override; they are marked with conda's C(#!final).
        conda overlooks the mark if the next line is a comment; in that case, the key is moved to the end of the file.
    type: list
    elements: str
    default: []
  scope:
    description:
      - Which file to write. V(system) is C(/etc/conda/condarc.d/evenkeel.yml); V(distribution), V(environment) and
        V(user) are the C(.condarc) of O(distribution), O(prefix) and O(user)'s home.
      - In every scope, files that belong to a user are read and written only with that user's rights.
    type: str
    choices: [system, distribution, user, environment]
    default: system
  path:
    description: A file to write instead of the one of O(scope).
    type: path
  distribution:
    description: The conda distribution of the node.
    type: path
    default: /opt/miniconda3
  prefix:
    description: The environment, with O(scope=environment).
    type: path
  user:
    description: The user, with O(scope=user).
    type: str
  users:
    description:
      - Users whose own files are checked, to warn if they override this one. By default the node's local accounts whose
        home is not a directory of the system such as C(/usr/sbin); list those of a directory service. Without root,
        only the module's own account is checked.
      - For each user, up to 50 files of at most 64 KiB in a folder are read. A file that is larger, is not a regular
        file of the user, or takes longer than 10 seconds to read is reported as a problem of that user; other users are
        not affected.
    type: list
    elements: str
  conda_version:
    description: The conda release that must understand the file; by default that of O(distribution).
    type: str
    default: ''
  allow_unknown:
    description: Keys to accept even though conda does not know them, such as those of another program.
    type: list
    elements: str
    default: []
  backup:
    description: Whether to back up the file beside it, under a name that conda does not read.
    type: bool
    default: false
seealso:
  - plugin: evenkeel.gpu.condarc_settings
    plugin_type: filter
    description: Checks settings before any node is changed.
  - module: evenkeel.gpu.pip_config
    description: Configures pip and uv.
"""

EXAMPLES = r"""
- name: Configure conda for the whole node
  evenkeel.gpu.condarc:
    state: exact
    settings:
      channels: [defaults]
      default_channels:
        - https://mirror.example/anaconda/pkgs/main
        - https://mirror.example/anaconda/pkgs/r
      auto_activate: false
    final: [default_channels]

- name: Change one thing in what alice wrote by hand
  evenkeel.gpu.condarc:
    scope: user
    user: alice
    settings:
      envs_dirs: [/scratch/alice/envs]
    backup: true

- name: Have an environment keep to its channel
  evenkeel.gpu.condarc:
    scope: environment
    prefix: /opt/evenkeel/envs/ai-dev
    settings:
      channel_priority: strict
"""

RETURN = r"""
left:
  description: The file that Evenkeel did not write.
  type: list
  elements: str
  returned: with O(state=absent), if there is one
path:
  description: The file.
  type: str
  returned: success
  sample: /etc/conda/condarc.d/evenkeel.yml
conda_version:
  description: The release that the settings were checked for; empty if conda is not installed yet.
  type: str
  returned: success
  sample: 26.5.3
backup_file:
  description: The backup of the earlier content.
  type: str
  returned: when one was made
  sample: /etc/conda/condarc.d/evenkeel.yml.2026-11-25@04.30.00.4711~
defeated:
  description: Other files that override these keys, as user (empty for all users), path and keys.
  type: list
  elements: dict
  returned: success
  sample:
    - user: alice
      path: /home/alice/.condarc
      keys: [channels]
user_problems:
  description:
    - The problems with each user's own conda files, such as a file that conda can't use, or a home that does not
      answer. Each user also gets a warning; none of them is a failure.
  type: dict
  returned: success
  sample: {bo: ['conda cannot use /home/bo/.condarc, line 3: found duplicate key "channels"']}
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import condarc
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(
        condarc.converge,
        condarc.ARGUMENT_SPEC,
        from_action=condarc.FROM_ACTION,
        verbatim=("found",),
        **condarc.RULES,
    )


if __name__ == "__main__":
    main()
