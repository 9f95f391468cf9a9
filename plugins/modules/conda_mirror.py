#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the first healthy one of several mirrors."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_mirror
short_description: Choose the first healthy one of several mirrors of conda's channels
version_added: 0.1.0
description:
  - Requests the index of every channel, C(repodata.json), from each mirror, all in parallel, and reads only its
    beginning. A mirror is healthy if all of them exist and are indexes, not sign-in pages, and if the newest is at most
    O(max_age_days) old.
  - A mirror that is known to lack one of the channels is skipped without a request.
  - Runs on a node, through its proxies and with its certificates, and changes nothing. Run it once for all nodes, so
    that all of them use the same mirror.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: none
options:
  mirrors:
    description:
      - The mirrors in order of preference, each by its name, its base URL or a mapping, as
        P(evenkeel.gpu.conda_mirror#filter) takes them.
    type: list
    elements: raw
    required: true
  channels:
    description: The names of the required channels.
    type: list
    elements: str
    default: [defaults]
  platforms:
    description: conda's names of the nodes' platforms.
    type: list
    elements: str
    default: [linux-64]
  elsewhere:
    description: For each channel that comes from elsewhere, the mirror, or the base URL to which its name is appended.
    type: dict
    default: {}
  max_age_days:
    description:
      - How many days old the newest index of a mirror may be; 0 for any age. A mirror that does not say
        how old its index is, is accepted.
    type: int
    default: 30
  timeout:
    description: For how many seconds a mirror may send nothing.
    type: int
    default: 10
  ca_path:
    description: A file of certificates on the node, in PEM, to trust instead of the system's.
    type: path
seealso:
  - plugin: evenkeel.gpu.conda_mirror
    plugin_type: filter
    description: Returns what a mirror means for channels and installers, without asking it.
  - module: evenkeel.gpu.condarc
    description: Configures conda.
"""

EXAMPLES = r"""
- name: Choose a mirror for all nodes
  evenkeel.gpu.conda_mirror:
    mirrors: [tuna, bfsu, https://mirror.example.com/anaconda]
    channels: [defaults, conda-forge]
  run_once: true
  register: chosen
"""

RETURN = r"""
chosen:
  description: What the mirror means, as P(evenkeel.gpu.conda_mirror#filter) returns it.
  type: dict
  returned: success
mirror:
  description: The chosen one as it is written in O(mirrors).
  type: raw
  returned: success
  sample: bfsu
index:
  description: Its number in O(mirrors), from 0 on.
  type: int
  returned: success
report:
  description:
    - For each mirror its C(name), whether it is C(healthy), its C(problems), and the time of its C(newest) index, empty
      where it is unknown.
  type: list
  elements: dict
  returned: always
  sample:
    - {name: tuna, healthy: false, problems: [https://mirrors.tuna.tsinghua.edu.cn/... sent nothing for 10 s]}
    - {name: bfsu, healthy: true, problems: [], newest: "2026-11-24T23:10:42+00:00"}
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_mirror
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(conda_mirror.read, conda_mirror.ARGUMENT_SPEC, from_action=conda_mirror.FROM_ACTION)


if __name__ == "__main__":
    main()
