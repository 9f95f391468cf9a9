#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: kernel parameters that are to be at least so high."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_floor
short_description: Raise kernel parameters to a minimum value, now and at boot
version_added: 0.1.0
description:
  - Raises lower values, and never lowers anything. A parameter that is high enough without the drop-in is not written
    to it.
  - In a container, the host's values apply. They are not changed, and the module warns.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  name:
    description: What the parameters are for; the drop-in is C(/etc/sysctl.d/60-evenkeel-NAME.conf).
    type: str
    required: true
  values:
    description: The minimum value of each parameter, a number. An empty mapping removes the drop-in.
    type: dict
    required: true
seealso:
  - module: evenkeel.gpu.vscode_remote
    description: Prepares a node for VS Code's Remote SSH, which watches many files.
"""

EXAMPLES = r"""
- name: Let editors watch many files
  evenkeel.gpu.sysctl_floor:
    name: inotify
    values:
      fs.inotify.max_user_watches: 524288
"""

RETURN = r"""
raised:
  description: The parameters that are raised now, with their values.
  type: dict
  returned: success
  sample: {fs.inotify.max_user_watches: 524288}
left:
  description: What could not be done, or will not last.
  type: list
  elements: str
  returned: success
path:
  description: The drop-in.
  type: str
  returned: success
  sample: /etc/sysctl.d/60-evenkeel-inotify.conf
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import sysctl_floor
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(sysctl_floor.converge, sysctl_floor.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
