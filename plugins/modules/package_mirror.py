#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a mirror of packages for a site."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_mirror
short_description: Serve the packages of upstreams to a site, and keep them
version_added: 0.2.0
description:
  - Installs the distribution's nginx, and writes one configuration file, C(conf.d/evenkeel-package-mirror.conf), with
    servers on ports of their own. What nginx serves otherwise stays as it is.
  - What is asked for first is fetched and kept; further requests for it wait for the same transfer. Packages are kept
    for O(keep_days) days. Indexes are kept for a minute, then asked for again by their validators; what is signed is
    asked for again each time, and the lists that belong to it are kept for that version of it alone.
  - When an upstream is away, what is kept is served, indexes included.
  - Upstreams other than O(upstreams) are never asked.
  - The configuration is tested with C(nginx -T) before it is installed. If nginx refuses it, it does not change.
  - Installs a program, C(evenkeel-package-mirror), which throws damaged files out of the cache, and a timer for it,
    which writes metrics for Prometheus and stops the cache from growing when the disk has too little room.
  - With O(state=absent), removes all of it, the cache too, and nginx if this module or M(evenkeel.gpu.front_door) has
    installed it, no other package needs it, and no other file makes it serve anything. What stays is in RV(left).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  state:
    description: Whether there is a mirror.
    type: str
    choices: [present, absent]
    default: present
  upstreams:
    description:
      - What is served, and from where; P(evenkeel.gpu.package_mirror_upstreams#filter) returns it. Required with
        O(state=present).
    type: list
    elements: dict
    suboptions:
      path:
        description: The path on the mirror, such as C(nvidia/cuda).
        type: str
        required: true
      url:
        description: The upstream's URL, without credentials.
        type: str
        required: true
      pages:
        description: Whether these are pages of a package index, in HTML or JSON, whose links are rewritten.
        type: bool
        default: false
      links:
        description: By the beginning of a link in those pages, the path on the mirror that it leads to instead.
        type: dict
        default: {}
  addresses:
    description: The IP addresses to listen on; V(0.0.0.0) and V(::) stand for all.
    type: list
    elements: str
    default: [0.0.0.0]
  port:
    description: The port for clients.
    type: int
    default: 8008
  inner_port:
    description: The port of loopback on which nginx asks the upstreams on behalf of its cache.
    type: int
    default: 8009
  certificate:
    description: The file with the certificate and its chain. Without one, the mirror serves plain HTTP.
    type: path
  key:
    description: The file with its key.
    type: path
  allow:
    description: The networks from which everybody may use the mirror.
    type: list
    elements: str
    default: []
  users:
    description: Users who may use it from elsewhere, with a password.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name.
        type: str
        required: true
      hash:
        description: The hash of the password, as C(openssl passwd -6) makes it.
        type: str
        required: true
  redirects:
    description: Hosts, besides the upstreams', that an upstream may redirect to; over TLS.
    type: list
    elements: str
    default: []
  resolvers:
    description: IP addresses of name servers; by default those in C(/etc/resolv.conf).
    type: list
    elements: str
    default: []
  ca_bundle:
    description: The file of authorities with which upstreams' certificates are checked.
    type: path
    default: /etc/ssl/certs/ca-certificates.crt
  copy:
    description:
      - The directory of a full copy, as M(evenkeel.gpu.site_copy) makes it. It is served in place of a cache, and no
        upstream is asked.
    type: path
  cache:
    description: The directory of the cache. It belongs to nginx alone.
    type: path
    default: /var/cache/evenkeel/package_mirror
  size:
    description: The largest size of the cache, in GiB. What was not asked for longest goes first.
    type: int
    default: 200
  min_free:
    description: When the file system of the cache has less room than this, in GiB, nothing more is kept.
    type: int
    default: 5
  keep_days:
    description: For how many days a package is kept, and after how many days without a request anything goes.
    type: int
    default: 365
  metrics:
    description: The directory for C(evenkeel_package_mirror.prom), which node_exporter's textfile collector reads.
    type: path
    default: /var/lib/evenkeel/package_mirror
  lock_timeout:
    description: How many seconds to wait while another program runs the package manager.
    type: int
    default: 300
seealso:
  - module: evenkeel.gpu.site_copy
    description: Makes a full copy.
  - module: evenkeel.gpu.tls_certificate
    description: Makes the certificate.
"""

EXAMPLES = r"""
- name: Keep a mirror of two repositories
  evenkeel.gpu.package_mirror:
    upstreams:
      - {path: debian, url: "https://ftp.example.org/debian"}
      - {path: nvidia/cuda, url: "https://developer.download.nvidia.com/compute/cuda/repos"}
    allow: [10.0.0.0/8]

- name: Have no mirror
  evenkeel.gpu.package_mirror:
    state: absent
"""

RETURN = r"""
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
  description: With O(state=absent), what was brought for the mirror and stays, each with the reason.
  type: list
  elements: str
  returned: with O(state=absent)
unknown:
  description: In check mode, why it is not known which packages would change.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import package_mirror


def main() -> None:
    run(package_mirror.converge, package_mirror.ARGUMENT_SPEC, **package_mirror.RULES)


if __name__ == "__main__":
    main()
