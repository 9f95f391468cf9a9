#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a guard for a TCP port."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tcp_port
short_description: Require that a TCP port is free, or held by the right unit
version_added: 0.1.0
description:
  - Fails if anything but O(unit) listens where a socket on O(address) and O(port) would, and names it.
  - Reads only C(/proc) and changes nothing.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  port:
    description: The port.
    type: int
    required: true
  address:
    description: The IP address that a service will listen on; C(0.0.0.0) and C(::) for all.
    type: str
    default: 127.0.0.1
  unit:
    description: The systemd unit that may hold the port.
    type: str
    required: true
  variable:
    description: The name of the variable that O(port) comes from, for the message.
    type: str
    default: port
seealso:
  - module: evenkeel.gpu.jupyter_status
    description: Waits until notebook servers answer.
"""

EXAMPLES = r"""
- name: Require the port of the notebook server
  evenkeel.gpu.tcp_port:
    port: 8888
    unit: jupyter.service
    variable: jupyter_port
"""

RETURN = r"""
held:
  description: Whether O(unit) already listens there.
  type: bool
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import tcp_port
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(tcp_port.converge, tcp_port.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
