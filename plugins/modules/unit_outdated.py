#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: whether a systemd unit runs with older files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_outdated
short_description: Tell whether a systemd unit was started before its files were last written
version_added: 0.1.0
description:
  - Compares the time at which the unit's main process was started with the times at which its files were last written.
  - Unlike a handler, it knows after a run that was killed before the restart that the restart is still due.
  - It changes nothing.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  unit:
    description: The unit's name.
    type: str
    required: true
  files:
    description: The files that the unit reads at its start. One that is not there does not count.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: See whether the service runs with older files
  evenkeel.gpu.unit_outdated:
    unit: jupyter.service
    files:
      - /etc/evenkeel/jupyter/jupyter_server_config.json
      - /etc/systemd/system/jupyter.service
  register: jupyter_outdated
"""

RETURN = r"""
outdated:
  description: Whether the unit runs, and one of the files is newer.
  type: bool
  returned: success
newer:
  description: The files that were written after the unit was started.
  type: list
  elements: str
  returned: success
  sample: [/etc/evenkeel/jupyter/jupyter_server_config.json]
needs_reload:
  description: Whether systemd has to read its units again, since this one is new or differs from what it has read.
  type: bool
  returned: success
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.gpu.plugins.module_utils import _unit_outdated as unit_outdated


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "required": True},
        },
        supports_check_mode=True,
    )
    argv = ["systemctl", "show", "--property=%s" % ",".join(unit_outdated.PROPERTIES), module.params["unit"]]
    _status, shown, _error = module.run_command(argv, check_rc=True)
    unit = unit_outdated.parse(shown, time.time(), time.monotonic())
    newer = unit_outdated.newer(unit, unit_outdated.modification_times(module.params["files"]))
    module.exit_json(changed=False, outdated=bool(newer), newer=newer, needs_reload=unit.needs_reload)


if __name__ == "__main__":
    main()
