#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a conda distribution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_distribution
short_description: Manage a conda distribution from a checksummed installer
version_added: 0.1.0
description:
  - Verifies the SHA-256 of the shell installer of Miniconda, Miniforge or a compatible distribution, and installs it
    into a directory of its own below O(store).
  - O(prefix) is a symbolic link to that directory, set by one rename after the installation is complete. Another
    version or distribution is installed beside the one in use and switched to in the same way. If this fails or is
    killed, the one in use stays, and the next run removes the leftovers.
  - Named environments are outside of O(prefix), so they survive an upgrade, a switch and a removal.
  - C(conda init) writes the path of the installation itself into a user's start-up files. When that installation is
    removed, its path becomes a link to O(prefix) for as long as a start-up file of all users or of a user of this node
    names it, and also where such a file can't be read or where a directory service knows more users.
  - The base environment belongs to the distribution. It is frozen for conda (CEP 22) and externally managed for pip
    (PEP 668); changes to it are reported as RV(drift).
  - If there is anything at O(prefix) that this module did not create, the module fails and leaves it unchanged.
    Environments that people created inside a distribution are never removed, nor is the distribution around them.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  state:
    description:
      - V(present) installs, upgrades or switches.
      - V(absent) removes the links, the installations and the shell hooks, and nothing else.
    type: str
    choices: [present, absent]
    default: present
  url:
    description:
      - Where the installer is, an C(http), C(https) or C(file) URL that ends in the installer's own name.
      - Required when O(state=present), unless O(src) is given.
    type: str
  src:
    description: The installer's path on the control node, from which it is copied to a node that lacks it.
    type: path
  sha256:
    description: The installer's SHA-256, 64 lower-case hexadecimal digits. Required when O(state=present).
    type: str
  prefix:
    description: The path under which users find the distribution.
    type: path
    default: /opt/miniconda3
  store:
    description: The directory for the installations, on a file system with room for several.
    type: path
    default: /opt/evenkeel/distributions
  force:
    description: Whether to allow a downgrade.
    type: bool
    default: false
  heal_base:
    description: Whether to replace a base environment that has drifted by a fresh installation, instead of reporting
      it.
    type: bool
    default: false
  keep:
    description: How many installations that are not in use to keep, the previous one first.
    type: int
    default: 1
  shell_hook:
    description:
      - Whether login shells provide C(conda) and C(conda activate), through C(/etc/profile.d) and, if these shells are
        installed, C(/etc/zsh/zprofile) (Debian's zsh) and C(/etc/fish/conf.d). No environment is activated, and no
        user's files are touched.
    type: bool
    default: true
  command_directory:
    description:
      - The directory for a link C(conda) to the distribution's command, for what is no login shell, such as C(ssh node
        conda run), C(sudo) and notebooks. When empty, there is none.
      - If there is anything else of that name, it is left unchanged, with a warning.
      - C(sudo) and C(cron) look for commands in directories of their own; on Enterprise Linux 9, C(/usr/local/bin) is
        in neither list. The full path of the command works everywhere.
    type: path
    default: /usr/local/bin
  channels:
    description:
      - URLs of the channels that users will use. If one serves C(terms.json), it has terms of service, and the module
        fails before it changes anything unless O(accept_tos) is true.
      - A channel that can't be reached counts as one without terms, as it does for conda.
      - A channel is asked when a distribution is installed, and afterwards until its terms are accepted or it has
        answered that it has none. So newer terms are found when the distribution is upgraded.
    type: list
    elements: str
    default: []
  accept_tos:
    description:
      - Whether you accept the terms of service of O(channels) for all users of the node. The acceptance is recorded in
        C(/etc/conda/tos), where conda's own plugin looks for it. Nothing is accepted otherwise.
    type: bool
    default: false
  shared_cache:
    description: The package cache that the members of O(shared_cache_group) share.
    type: path
    default: /opt/evenkeel/pkgs/shared
  shared_cache_group:
    description:
      - An existing group for O(shared_cache). The cache is group-writable and setgid, and a default access control list
        keeps it so regardless of the members' umask.
      - When empty, there is no shared cache. An existing one is left unchanged.
    type: str
    default: ''
  offline:
    description: Whether to use no network. O(channels) are then not checked for terms.
    type: bool
    default: false
  ca_path:
    description: A file on the node, in PEM, with the certificates to trust instead of the system's.
    type: path
  timeout:
    description: For how many seconds the mirror may send nothing.
    type: int
    default: 30
  retries:
    description: How often to retry a download after a timeout, a broken transfer or a 5xx response.
    type: int
    default: 3
  lock_timeout:
    description: How many seconds to wait for another run on the same O(store).
    type: int
    default: 600
notes:
  - The action of the same name warns if the distribution's Python no longer has security support.
seealso:
  - module: evenkeel.gpu.conda_runtime
    description: Installs the tools that build environments.
  - module: evenkeel.gpu.condarc
    description: Configures conda.
"""

EXAMPLES = r"""
- name: Install Miniconda
  evenkeel.gpu.conda_distribution:
    url: https://repo.anaconda.com/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh
    sha256: 7358a5961dc6a4941d087281cd70313728fcc68695735e18a337321bc31c7f51

- name: Switch to Miniforge, without a network on the node
  evenkeel.gpu.conda_distribution:
    src: files/Miniforge3-26.3.2-3-Linux-x86_64.sh
    sha256: 848194851a98903134187fbb4ab50efe87b003e0c0f808f97644b7524a62bf2c
    offline: true

- name: Remove it; environments stay
  evenkeel.gpu.conda_distribution:
    state: absent
"""

RETURN = r"""
prefix:
  description: The path under which users find the distribution.
  type: str
  returned: success
  sample: /opt/miniconda3
home:
  description: The directory that O(prefix) points to after the run; empty if there is none.
  type: str
  returned: success
  sample: /opt/evenkeel/distributions/Miniconda3-py313_26.5.3-1-Linux-x86_64-7358a5961dc6
drift:
  description: What in base differs from what was installed, and was not replaced.
  type: list
  elements: str
  returned: success
  sample: ["+ six 1.17.0 (main)"]
former_paths:
  description: Paths of removed installations that are links to O(ignore:prefix) now, each with the start-up files that
    name it.
  type: dict
  returned: success
  sample: {"/opt/evenkeel/distributions/Miniconda3-py312_26.1.0-1-Linux-x86_64-000000000000": ["/home/alice/.bashrc"]}
left:
  description: With O(state=absent), what stays, each with the reason.
  type: list
  elements: str
  returned: success
  sample: ["/opt/miniconda3 is a directory: not made by Evenkeel"]
stranded:
  description: Environments that people created inside distributions that are no longer in use. Their paths still work.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(
        conda_distribution.converge,
        conda_distribution.ARGUMENT_SPEC,
        from_action=conda_distribution.FROM_ACTION,
        **conda_distribution.RULES,
    )


if __name__ == "__main__":
    main()
