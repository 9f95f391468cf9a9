#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a certificate for TLS, and its key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_certificate
short_description: Manage a TLS certificate and its key on a node
version_added: 0.1.0
description:
  - Writes C(certificate.pem), the node's certificate with its chain, and C(key.pem), mode 0600, to O(directory).
  - They can be files of the control node, O(certificate) and O(key), which are checked there before anything changes.
  - Otherwise, Evenkeel's own authority in O(ca_directory) on the control node issues the certificate. It is issued
    again when fewer than O(renew_days) days are left, when O(hosts) or the authority changed, and when the two files
    don't match. The key is generated on the node, which needs the program C(openssl), and never leaves it.
  - No key appears in a result or a diff. Files encrypted by Ansible Vault are supported.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - cryptography 42 or newer on the control node
options:
  directory:
    description: The directory on the node. It should belong to root.
    type: path
    required: true
  state:
    description: Whether there are a certificate and a key. V(absent) removes O(directory) too if it is empty then.
    type: str
    choices: [present, absent]
    default: present
  certificate:
    description: The certificate on the control node, in PEM, with its intermediate certificates.
    type: path
  key:
    description: The key of O(certificate) on the control node, in PEM, without a passphrase.
    type: path
  ca_directory:
    description:
      - The directory on the control node with the authority, C(ca.pem) and C(ca-key.pem). An authority is made when
        there is none. Clients of the nodes have to trust C(ca.pem); keep C(ca-key.pem) secret.
    type: path
  hosts:
    description:
      - DNS names and IP addresses of the certificate. A name may begin with C(*.).
      - Required with O(ca_directory). O(certificate) must cover them.
    type: list
    elements: str
    default: []
  renew_days:
    description:
      - How many days before its end a certificate of O(ca_directory) is replaced, from 1 to 365. For one of yours that
        ends sooner there is a warning.
    type: int
    default: 30
seealso:
  - module: evenkeel.gpu.front_door
    description: Serves with the certificate.
  - module: evenkeel.gpu.jupyter_servers
    description: Serves with the certificate.
"""

EXAMPLES = r"""
- name: Keep a certificate of Evenkeel's own authority
  evenkeel.gpu.tls_certificate:
    directory: /etc/evenkeel/tls
    ca_directory: ca
    hosts: [gpu1.example.com, 192.0.2.7]

- name: Keep a certificate that was bought
  evenkeel.gpu.tls_certificate:
    directory: /etc/evenkeel/tls
    certificate: files/gpu1.pem
    key: files/gpu1-key.pem
    hosts: [gpu1.example.com]

- name: Remove both
  evenkeel.gpu.tls_certificate:
    directory: /etc/evenkeel/tls
    state: absent
"""

RETURN = r"""
certificate:
  description: The path of the certificate on the node.
  type: str
  returned: success
  sample: /etc/evenkeel/tls/certificate.pem
key:
  description: The path of its key on the node.
  type: str
  returned: success
  sample: /etc/evenkeel/tls/key.pem
not_after:
  description: When the certificate expires, in ISO 8601; empty in check mode if one would be issued.
  type: str
  returned: success
  sample: "2027-12-01T10:00:00+00:00"
hosts:
  description: The names and addresses of the certificate.
  type: list
  elements: str
  returned: success
ca:
  description: The authority's certificate on the control node.
  type: str
  returned: with O(ca_directory)
reasons:
  description: Why a certificate was issued, or in check mode would be.
  type: list
  elements: str
  returned: with O(ca_directory)
  sample: ["it ends on 2026-12-01"]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import tls_certificate
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(
        tls_certificate.converge,
        tls_certificate.ARGUMENT_SPEC,
        from_action=tls_certificate.FROM_ACTION,
        verbatim=("found", "request"),
        secrets=tls_certificate.secrets,
    )


if __name__ == "__main__":
    main()
