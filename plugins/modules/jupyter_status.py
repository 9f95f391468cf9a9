#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the health of notebook servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_status
short_description: Wait until notebook servers are up, require their token, and run code
version_added: 0.1.0
description:
  - Requests C(/api/status) from each server with its token and without it, and its kernels, and runs code in the first
    kernel if the server is new or was restarted. A mistyped setting only makes a server log a warning, so
    authentication can be checked only from outside.
  - A server is a process of its user, who may have replaced it. It is queried only with the user's rights, several
    users at a time, each with a limit of time and bytes.
  - The same kernel compares its variables with those that C(conda run) gives in its environment, except for those of
    the shell, conda and Jupyter themselves and those that its kernelspec sets. The names of variables that differ are
    a warning, never a failure. Nothing is reported if conda is missing or does not answer in time.
  - Problems of one user's server are warnings and are returned in RV(user_problems); the task continues. It fails if
    the node is at fault, which is if a server or a kernel also fails without any user's files, if all servers fail, or
    if the server of a system account fails.
  - Waits for an answer, at most O(timeout) seconds for each server.
  - An on-demand server that is stopped is left stopped, or stopped again after the check.
  - In check mode, it starts no server and no kernel, and queries only the running servers that a run would not restart.
    If the node is at fault, that is a warning and counts as a change, since a run may repair it, and fails otherwise.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  servers:
    description:
      - What the module M(evenkeel.gpu.jupyter_servers) returned as C(servers). C(probe) of each says what to
        check, nothing (C(asleep), or its address before its restart is not known), whether it requires a token
        (C(waiting), for its restart), whether it answers as it should (C(light)), or whether it runs code too
        (C(full)).
    type: list
    elements: dict
    required: true
  kernels:
    description: The kernels that every server must offer; the first one has to compute something.
    type: list
    elements: str
    default: []
  environment:
    description: The environment that the servers run from.
    type: path
    required: true
  kernels_directory:
    description: Where the kernels are registered.
    type: path
    default: /usr/local/share/jupyter/kernels
  config:
    description: The settings that every server reads last.
    type: path
    default: /etc/evenkeel/jupyter/jupyter_server_config.py
  timeout:
    description: How many seconds to wait for an answer.
    type: int
    default: 60
seealso:
  - module: evenkeel.gpu.jupyter_servers
    description: Manages the notebook servers.
"""

EXAMPLES = r"""
- name: Wait for the notebook servers
  evenkeel.gpu.jupyter_status:
    servers: "{{ jupyter.servers }}"
    kernels: [ai-dev]
    environment: /opt/evenkeel/envs/jupyter
"""

RETURN = r"""
ready:
  description: Whether all servers passed.
  type: bool
  returned: success
problems:
  description: The problems of all servers.
  type: list
  elements: str
  returned: success
  sample: [The notebook server of ana does not answer. See its journal.]
user_problems:
  description: The problems of running servers, by user. Each is also a warning.
  type: dict
  returned: success
  sample:
    ana: ["The notebook server of ana does not answer. See its journal."]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(jupyter_status.read, jupyter_status.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
