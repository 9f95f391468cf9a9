#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the notebook servers of a node, one for each user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_servers
short_description: Manage a notebook server for each user
version_added: 0.1.0
description:
  - Converges all notebook servers of a node in one call, regardless of the number of users. Each is an instance of
    C(jupyter@.service) that runs as its user and listens on a socket that nobody else can open. Users connect to it
    through an instance of C(jupyter-proxy@.socket), on a TCP port or on a socket of the user. systemd owns that port or
    socket, whether the server runs or not.
  - A server is protected by a token, which is generated once on the node, in a file that only its user can read, and
    never leaves the node. A password hash can be set too.
  - Ports stay the same in every run. C(servers.json) in O(directory) lists the servers' addresses.
  - A server that runs with older files than those on disk, or from an older generation of its environment, is restarted
    when O(restart_policy) allows it. RV(waiting) lists the restarts that wait, and what they wait for.
  - The servers of users who are no longer listed are stopped and removed, under the same policy. Homes are never
    touched.
  - With O(state=absent), all servers end, with what runs in them, and their units and files are removed. RV(left) names
    what others have put beside them.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  state:
    description: Whether the node has notebook servers.
    type: str
    choices: [present, absent]
    default: present
  servers:
    description: All servers that the node has to have. Required with O(state=present).
    type: list
    elements: dict
    suboptions:
      name:
        description: An account with a home that may log in; not root.
        type: str
        required: true
      port:
        description: The TCP port. By default, the server's previous port, or the next free one from O(first_port) on.
        type: int
      base_url:
        description: The URL path of the server; C(/user/NAME/) by default.
        type: str
      root_dir:
        description: The folder that the file browser shows; the home by default.
        type: path
      token:
        description: The token. By default, an existing token stays, and a missing one is generated.
        type: str
      password:
        description:
          - A password for the user to type. It is hashed on the control node, and only the hash goes to the node.
          - One that is not in a vault is warned of.
        type: str
      hashed_password:
        description:
          - An argon2 password hash from C(jupyter server password). Mutually exclusive with O(servers[].password).
        type: str
      system_account:
        description:
          - Whether the account is the node's own and not a person's, so that the task fails when its server fails.
            Failures of others are in RV(user_problems), unless all fail.
        type: bool
        default: false
      memory_max:
        description: Memory limit for all processes of the server, such as C(64G); see systemd's C(MemoryMax).
        type: str
      cpu_quota:
        description: CPU limit, such as C(800%) for eight cores; see systemd's C(CPUQuota).
        type: str
      tasks_max:
        description: Maximum number of processes and threads; see systemd's C(TasksMax).
        type: str
      open_files:
        description: Maximum number of open files for each process.
        type: str
  limits:
    description: Default limits of the servers.
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
    description: The first port to try.
    type: int
    default: 8889
  socket_group:
    description: A group that may open the sockets too, such as a web server's.
    type: str
  certificate:
    description: A PEM file on the node with the servers' certificate and its chain. The servers then use TLS.
    type: path
  key:
    description: The PEM file of its key.
    type: path
  hostnames:
    description:
      - Names and addresses that the servers accept besides those of the loopback. On an address other than the
        loopback, they accept any.
    type: list
    elements: str
    default: []
  front_door:
    description:
      - Whether a TLS reverse proxy serves them, at O(hostnames), or, with several users, at the users' host names.
    type: bool
    default: false
  user_domains:
    description: The domains below which each of several users has a host name at the front door.
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
    description: Settings of Jupyter, by class, for all servers.
    type: dict
    default: {}
  environment:
    description: The environment that the servers run from. Required with O(state=present).
    type: path
  units:
    description: The texts of the units that all servers share, by name. Required with O(state=present).
    type: dict
  config:
    description: The text of the settings in Python that every server reads last. Required with O(state=present).
    type: str
  directory:
    description: The directory of the servers' own files.
    type: path
    default: /etc/evenkeel/jupyter
  planned:
    description:
      - Homes of the users that the same run creates, or corrects, before this task. Check mode takes them as done.
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

- name: Have none
  evenkeel.gpu.jupyter_servers:
    state: absent
"""

RETURN = r"""
servers:
  description: The address of each server, as in C(servers.json), and how M(evenkeel.gpu.jupyter_status) must probe it.
    C(moves) is whether it is reached elsewhere, or not at all, until the change.
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
      moves: false
      system_account: false
left:
  description: What others have put beside the servers' files.
  type: list
  elements: str
  returned: with O(state=absent)
  sample: ["/etc/evenkeel/jupyter/notes.txt: not made by Evenkeel"]
user_problems:
  description:
    - The problems with users' homes, accounts and servers, by user. Each is also a warning; other users are not
      affected.
  type: dict
  returned: success
  sample:
    ana: ["the home /home/ana is not a directory"]
waiting:
  description: Servers that need a restart, and the processes that it would end.
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
