#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what a site without a network needs, in one folder or tar. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Pack what a site without a network needs
version_added: 0.2.0
description:
  - Writes a bundle, one folder or one tar, with packages as of M(evenkeel.gpu.site_copy), the commits of the site's git
    repository, the collection, and the wheels of a control node; with a manifest that has the hash of each file, and
    with a signature. M(evenkeel.gpu.bundle_install) installs it.
  - A bundle is there at once or not at all. With O(follows), it has only the files that an earlier one lacked.
  - Runs on the control node, for the task's host C(localhost).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - git and pip on the control node
  - ssh-keygen of OpenSSH 8.2 or newer on the control node, unless O(unsigned)
options:
  wants:
    description: What to copy, as for M(evenkeel.gpu.site_copy).
    type: dict
    required: true
  upstreams:
    description: Where it comes from, as for M(evenkeel.gpu.site_copy).
    type: list
    elements: dict
    default: []
  ca_path:
    description: A file of certificates, in PEM, to trust instead of the system's.
    type: path
  store:
    description: The folder that keeps files from bundle to bundle.
    type: path
    required: true
  keep:
    description: How many copies stay in O(store).
    type: int
    default: 3
  repository:
    description: A folder in the site's git repository. What is committed counts; changes that are not are refused.
    type: path
    required: true
  pythons:
    description:
      - The Pythons of control nodes to bring wheels for, such as V(3.12) or V(3.12-aarch64).
      - By default that of this one.
    type: list
    elements: str
    default: []
  platforms:
    description: The platforms of nodes, which a control node hands the wheels of py-rattler and uv.
    type: list
    elements: str
    choices: [linux-64, linux-aarch64]
    default: [linux-64]
  wheels:
    description: A directory that has these wheels, for a control node without a package index.
    type: path
  directory:
    description: The folder to write the bundle into. It is made if it is missing, with a C(.gitignore).
    type: path
    required: true
  tar:
    description: Whether to write one tar.
    type: bool
    default: false
  follows:
    description:
      - The bundle that the site has already, by its folder, its tar, the C(manifest.json) of its copy, or the name of
        its copy while O(store) keeps that.
    type: str
    default: ""
  key:
    description:
      - The SSH key to sign with, a private key without a passphrase, or a public one of which an agent has the private.
    type: path
  unsigned:
    description: Whether the bundle has no signature.
    type: bool
    default: false
seealso:
  - module: evenkeel.gpu.bundle_install
  - module: evenkeel.gpu.site_copy
"""

EXAMPLES = r"""
- name: Pack an installer
  evenkeel.gpu.bundle:
    wants:
      files: [{path: anaconda/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh}]
    upstreams: [{path: anaconda/miniconda, url: "https://repo.anaconda.com/miniconda"}]
    store: /var/lib/evenkeel/bundle
    repository: "{{ inventory_dir }}"
    directory: bundles
    key: ~/.ssh/id_ed25519
"""

RETURN = r"""
bundle:
  description: The bundle's path.
  type: str
  returned: success, not in check mode
  sample: /srv/site/bundles/evenkeel-bundle-0123456789abcdef.tar
id:
  description: The name of its copy.
  type: str
  returned: success
files:
  description: The number of its files.
  type: int
  returned: success
size:
  description: The bytes of its files.
  type: int
  returned: success
notes:
  description: What an operator wants to know of the copy.
  type: list
  elements: str
  returned: success
"""
