#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the notebook servers of a node, one for each user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_servers
short_description: Keep a notebook server for each user
version_added: 0.1.0
description:
  - Converges all notebook servers of a node in one call, however many users there are. Each is an instance of
    C(jupyter@.service) that runs as its user, listens on a socket that no other user can open, and is reached through
    an instance of C(jupyter-proxy@.socket) on a TCP port or on a socket of the user's. systemd owns that listening
    socket whether the server runs or not.
  - A token opens a server. It is made on the node, once, in a file that only its user can read, and never leaves the
    node. The hash of a password can be given besides.
  - Ports stay the same in every run. C(servers.json) in O(directory) says where each server is reached.
  - A server that runs with older files than those on disk, or from an older generation of its environment, is restarted
    when O(restart_policy) allows it. RV(waiting) reports restarts that wait, and what they wait for.
  - The servers of users who are no longer listed are stopped and removed, under the same policy. Homes are never
    touched.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  servers:
    description: All servers that the node has to have.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: An account with a home that may log in; not root.
        type: str
        required: true
      port:
        description: The TCP port. Without it, the one that the server had, or the next free one from O(first_port) on.
        type: int
      base_url:
        description: The path that the server answers at; C(/user/NAME/) when it is not given.
        type: str
      root_dir:
        description: The folder that the file browser shows; the home when it is not given.
        type: path
      token:
        description: The token. Without it, whatever token is there stays, and a missing one is made.
        type: str
      password:
        description:
          - A password for the user to type. It is hashed on the control node, and only the hash goes to the node.
          - One that is not in a vault is warned of.
        type: str
      hashed_password:
        description:
          - A password as C(jupyter server password) hashes it, with argon2. Not together with O(servers[].password).
        type: str
      system_account:
        description:
          - Whether the account is the node's own and not a person's, so that the task fails when its server fails.
            Failures of others are in RV(user_problems), unless all fail.
        type: bool
        default: false
      memory_max:
        description: What all processes of the server may use, such as C(64G); see systemd's C(MemoryMax).
        type: str
      cpu_quota:
        description: Such as C(800%) for eight cores; see systemd's C(CPUQuota).
        type: str
      tasks_max:
        description: How many processes and threads; see systemd's C(TasksMax).
        type: str
      open_files:
        description: How many files each process may have open.
        type: str
  limits:
    description: Limits of the servers that have none of their own.
    type: dict
    default: {}
    suboptions:
      memory_max: {description: "As O(servers[].memory_max).", type: str}
      cpu_quota: {description: "As O(servers[].cpu_quota).", type: str}
      tasks_max: {description: "As O(servers[].tasks_max).", type: str}
      open_files: {description: "As O(servers[].open_files).", type: str}
  listen:
    description: Whether users reach their servers on a TCP port, or on a socket that no other user can open.
    type: str
    choices: [port, socket]
    default: port
  address:
    description: The IP address of the ports.
    type: str
    default: 127.0.0.1
  first_port:
    description: Where the search for free ports begins.
    type: int
    default: 8889
  socket_group:
    description: A group that may open the sockets too, such as a web server's.
    type: str
  certificate:
    description: A PEM file on the node with the certificate that the servers show, and its chain. They speak TLS then.
    type: path
  key:
    description: The PEM file of its key.
    type: path
  hostnames:
    description:
      - Names and addresses that the servers answer for beside the loopback's. On another address than the loopback's
        they answer for any.
    type: list
    elements: str
    default: []
  front_door:
    description:
      - Whether a web server with TLS serves them, at O(hostnames), or at names of users where there are several.
    type: bool
    default: false
  user_domains:
    description: Domains below which each of several users has a host name at the front door.
    type: list
    elements: str
    default: []
  on_demand:
    description: Whether a server starts with its first connection, and ends when it was not used for a while.
    type: bool
    default: false
  restart_policy:
    description:
      - When a server that runs may be restarted. V(now), at once; V(idle), when no kernel and no terminal runs in it;
        V(manual), never, which leaves the restart to the operator.
    type: str
    choices: [now, idle, manual]
    default: idle
  settings:
    description: Settings of Jupyter, class by class, alike for all servers.
    type: dict
    default: {}
  environment:
    description: The environment that the servers run from.
    type: path
    required: true
  units:
    description: The texts of the units that all servers share, by name.
    type: dict
    required: true
  config:
    description: The text of the settings in Python that every server reads last.
    type: str
    required: true
  directory:
    description: Where the servers' own files are.
    type: path
    default: /etc/evenkeel/jupyter
  planned:
    description: Homes of the users that the same run makes before this, so that check mode does not ask for them.
    type: dict
    default: {}
seealso:
  - module: evenkeel.gpu.jupyter_status
    description: Waits until the servers answer.
  - module: evenkeel.gpu.front_door
    description: Puts nginx with TLS in front of them.
"""

EXAMPLES = r"""
- name: Keep notebook servers for two users
  evenkeel.gpu.jupyter_servers:
    servers:
      - name: ana
        memory_max: 64G
      - name: ben
    environment: /opt/evenkeel/envs/jupyter
    units: "{{ jupyter_units }}"
    config: "{{ jupyter_config }}"
"""

RETURN = r"""
servers:
  description: Where each server is reached, as in C(servers.json), and how it is to be looked at now.
  type: list
  elements: dict
  returned: success
  sample:
    - user: ana
      scheme: http
      address: 127.0.0.1
      port: 8889
      socket:
      base_url: /user/ana/
      token_file: /etc/evenkeel/jupyter/ana/token
      unit: jupyter@ana.service
      on_demand: true
      probe: full
user_problems:
  description:
    - What is wrong with users' homes, accounts and servers, by user. They are warned of, and leave the others alone.
  type: dict
  returned: success
  sample:
    ana: ["the home /home/ana is not a directory"]
waiting:
  description: Servers whose restart is due, and what it would end.
  type: list
  elements: dict
  returned: success
  sample:
    - user: ana
      unit: jupyter@ana.service
      why: [/etc/evenkeel/jupyter/ana/settings.json]
      processes: ["pid 812: /opt/evenkeel/envs/vision/bin/python -m ipykernel_launcher -f kernel-1.json"]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(jupyter_servers.converge, jupyter_servers.ARGUMENT_SPEC, **jupyter_servers.RULES)


if __name__ == "__main__":
    main()
