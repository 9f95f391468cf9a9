#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what VS Code's Remote SSH finds on a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vscode_remote
short_description: Set up VS Code's Remote SSH for the named environments
version_added: 0.1.0
description:
  - Checks whether the node can run VS Code's server, and writes VS Code's files into every user's home, all users in
    one call. Homes are read and written only with their users' rights.
  - C(~/.vscode-server/data/Machine/settings.json) gets O(settings) and the interpreter of O(environment), unless the
    user has set them; everything else stays, including comments. The named environments are added to
    C(~/.conda/environments.txt).
  - A home or file that can't be read or written, or takes too long, such as a home on a file server that does not
    answer, is left unchanged, with a warning for its user. Other users are not affected.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  state:
    description: Whether the node is prepared. V(absent) removes O(store); what is in homes is their users' and stays.
    type: str
    choices: [present, absent]
    default: present
  users:
    description: Accounts of the node.
    type: list
    elements: str
    default: []
  planned_users:
    description: Those of O(users) that the same run creates before this task; check mode does not require them.
    type: list
    elements: str
    default: []
  environments:
    description: The directory of the named environments.
    type: path
    default: /opt/evenkeel/envs
  environment:
    description: The named environment whose Python is set as C(python.defaultInterpreterPath); none when empty.
    type: str
    default: ""
  planned:
    description: Environments that the same run builds before this task; check mode takes them as built.
    type: list
    elements: str
    default: []
  conda:
    description: The conda command to set as C(python.condaPath), if it exists on the node.
    type: path
    default: /opt/miniconda3/bin/conda
  settings:
    description: Additional settings of VS Code on this machine.
    type: dict
    default: {}
  floors:
    description:
      - What VS Code needs. A node that has less is refused; what VS Code may work around is a warning.
    type: dict
    suboptions:
      kernel:
        description: The oldest version of the kernel.
        type: str
        required: true
      glibc:
        description: The oldest version of glibc.
        type: str
        required: true
      libstdcxx:
        description: The oldest version of GLIBCXX in libstdc++.
        type: str
        required: true
      programs:
        description: Programs that are all needed.
        type: list
        elements: str
        default: []
      downloaders:
        description: Programs of which one is enough.
        type: list
        elements: str
        default: []
  server:
    description:
      - A server to install, so that users download nothing. It is unpacked once, in O(store), and linked into every
        home.
    type: dict
    suboptions:
      commit:
        description: The commit of the users' VS Code, as its About window shows it.
        type: str
        required: true
      archive:
        description: The server's archive, C(vscode-server-linux-*.tar.gz), on the control node.
        type: str
        required: true
      sha256:
        description: Its SHA-256.
        type: str
        required: true
      cli_archive:
        description: The archive of the program that starts it, C(vscode_cli_*_cli.tar.gz), on the control node.
        type: str
        default: ""
      cli_sha256:
        description: Its SHA-256.
        type: str
        default: ""
  store:
    description: The directory for unpacked servers.
    type: path
    default: /opt/evenkeel/vscode
seealso:
  - module: evenkeel.gpu.ssh_forwarding
    description: Permits forwarding, which VS Code needs.
  - module: evenkeel.gpu.sysctl_floor
    description: Raises the limit of watched files.
"""

EXAMPLES = r"""
- name: Have VS Code open the environment ai-dev
  evenkeel.gpu.vscode_remote:
    users: [ana, bo]
    environment: ai-dev
    floors:
      kernel: "4.18"
      glibc: "2.28"
      libstdcxx: 3.4.25
      programs: [bash, tar]
      downloaders: [curl, wget]
"""

RETURN = r"""
environments:
  description: The environments that VS Code lists.
  type: list
  elements: str
  returned: success
  sample: [/opt/evenkeel/envs/ai-dev]
kept:
  description: By user, the settings that the user has set differently, and that stay so.
  type: dict
  returned: success
  sample: {ana: [python.defaultInterpreterPath]}
user_problems:
  description: By user, files that could not be read or written, and were left as they are.
  type: dict
  returned: success
  sample: {bo: ['/home/bo/.conda/environments.txt: is a pipe, not a regular file']}
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_remote
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(
        vscode_remote.converge,
        vscode_remote.ARGUMENT_SPEC,
        from_action=vscode_remote.FROM_ACTION,
        **vscode_remote.RULES,
    )


if __name__ == "__main__":
    main()
