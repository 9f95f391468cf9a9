#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: nginx with TLS before a node's notebook servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: front_door
short_description: Keep nginx with TLS in front of the notebook servers of a node
version_added: 0.1.0
description:
  - Installs the distribution's nginx, and writes one configuration file, C(conf.d/evenkeel-front-door.conf), from the
    list of notebook servers that the role C(jupyter) writes on the node.
  - If several users have servers, each gets a host name below O(user_domains), and so an origin of its own, because
    browsers give pages of one origin access to each other. The name is the user's; if DNS does not allow that, its
    plain characters and a hash.
  - Requests from pages of other sites are refused by their headers C(Origin) and C(Sec-Fetch-Site).
  - The configuration is tested with C(nginx -T) before it is installed. If nginx refuses it, nothing changes.
  - nginx is reloaded, which keeps its connections, whenever it does not serve what the files on disk contain, even if
    an earlier run was interrupted. At the end, it serves the certificate and the configuration on disk.
  - With O(state=absent), that file is removed. So is nginx if this module or M(evenkeel.gpu.package_mirror) has
    installed it, no other package needs it, and no other file makes it serve anything. What stays is in RV(left).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  state:
    description: Whether nginx is in front of the notebook servers.
    type: str
    choices: [present, absent]
    default: present
  hosts:
    description: Names and addresses that users type. Required with O(state=present).
    type: list
    elements: str
  user_domains:
    description:
      - The domains below which each of several users has a host name. By default, the names in O(hosts) that contain a
        dot and are not addresses.
    type: list
    elements: str
  users_share_origin:
    description:
      - Whether the servers of several users are paths below O(hosts), so that a user's pages can act as the other
        users.
      - While it is not set, a node whose users already share an origin is refused instead of changed.
    type: bool
  allowed_origins:
    description: Other origins whose pages may use the servers, such as C(https://portal.example.com).
    type: list
    elements: str
    default: []
  certified:
    description: The names that the certificate covers. A user's host name that is not among them is refused.
    type: list
    elements: str
    default: []
  certificate:
    description: The file with the certificate and its chain. Required with O(state=present).
    type: path
  key:
    description: The file with its key. Required with O(state=present).
    type: path
  servers:
    description: The file with the list of notebook servers.
    type: path
    default: /etc/evenkeel/jupyter/servers.json
  planned:
    description:
      - The users whose servers the same run lists in O(servers) before this task, and the URL path of each, which is
        C(/user/NAME/) where it is empty. Check mode takes these for the servers that there are.
    type: dict
    default: {}
  addresses:
    description: The IP addresses to listen on; V(0.0.0.0) and V(::) stand for all.
    type: list
    elements: str
    default: [0.0.0.0]
  port:
    description: The port for TLS.
    type: int
    default: 443
  http_port:
    description: The port of plain HTTP, which redirects to O(port); V(0) for none.
    type: int
    default: 80
  max_body:
    description: The largest request, in MiB.
    type: int
    default: 512
  timeout:
    description: For how many seconds a connection may be idle.
    type: int
    default: 3600
  logins_per_minute:
    description: How many login attempts one address has for one server in a minute.
    type: int
    default: 10
  hsts_days:
    description: For how many days browsers must use only TLS with these hosts; V(0) sends no such header.
    type: int
    default: 0
  lock_timeout:
    description: How many seconds to wait while another program runs the package manager.
    type: int
    default: 300
seealso:
  - module: evenkeel.gpu.jupyter_servers
    description: Manages the notebook servers.
  - module: evenkeel.gpu.tls_certificate
    description: Makes the certificate.
"""

EXAMPLES = r"""
- name: Keep the front door
  evenkeel.gpu.front_door:
    hosts: [gpu1.example.com]
    certificate: /etc/evenkeel/front_door/certificate.pem
    key: /etc/evenkeel/front_door/key.pem

- name: Remove the front door
  evenkeel.gpu.front_door:
    state: absent
"""

RETURN = r"""
urls:
  description: The address of each user's notebook server; also in C(/etc/evenkeel/front_door/urls.json).
  type: dict
  returned: success
  sample: {ana: "https://ana.gpu1.example.com/user/ana/", bo: "https://bo.gpu1.example.com/user/bo/"}
packages:
  description: Packages that changed, with their versions.
  type: list
  elements: str
  returned: success
reloaded:
  description: Whether nginx was started or reloaded, or in check mode would be.
  type: bool
  returned: success
left:
  description: With O(state=absent), what was brought for the front door and stays, each with the reason.
  type: list
  elements: str
  returned: when O(state=absent)
  sample: ["nginx: /etc/nginx/conf.d/other.conf may make it serve more"]
unknown:
  description: In check mode, why it is not known which packages would change.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import front_door
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(front_door.converge, front_door.ARGUMENT_SPEC, **front_door.RULES)


if __name__ == "__main__":
    main()
