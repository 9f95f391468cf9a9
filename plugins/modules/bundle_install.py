#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: put a bundle's packages to use on a mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_install
short_description: Put the packages of a bundle to use on a mirror
version_added: 0.2.0
description:
  - Checks a bundle of M(evenkeel.gpu.bundle) on the control node, its signature and the hash of every file. What is
    missing, altered or superfluous is named, and nothing is installed.
  - Then brings the mirror those files that it lacks, and puts the copy to use by one rename. An interrupted run is
    resumed by the next.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
requirements:
  - ssh-keygen of OpenSSH 8.2 or newer on the control node, unless O(unsigned)
options:
  bundle:
    description: The bundle on the control node, a folder or a tar; relative to the working directory.
    type: path
    required: true
  directory:
    description: The copy's folder on the mirror, as of M(evenkeel.gpu.site_copy).
    type: path
    required: true
  signers:
    description:
      - A file on the control node with those who may have signed the bundle, in the format that ssh-keygen(1) describes
        as allowed signers; relative to the working directory. Exactly one of this, O(fingerprint) and O(unsigned) is
        needed.
    type: path
  fingerprint:
    description: The fingerprint of the key that must have signed it, from C(SHA256:) on.
    type: str
  unsigned:
    description: Whether no signature is asked for.
    type: bool
    default: false
  git:
    description:
      - Whether the copy has the site's commits too, at C(git/site.git).
      - Everybody whom the mirror serves can then read them.
    type: bool
    default: false
  allow_older:
    description: Whether the bundle may be older than what is installed.
    type: bool
    default: false
  keep:
    description: How many copies stay, with the one in use.
    type: int
    default: 2
  lock_timeout:
    description: How many seconds to wait while another run changes the copy.
    type: int
    default: 300
seealso:
  - module: evenkeel.gpu.bundle
  - module: evenkeel.gpu.site_copy
"""

EXAMPLES = r"""
- name: Install a bundle
  evenkeel.gpu.bundle_install:
    bundle: /media/bundle/evenkeel-bundle-0123456789abcdef
    directory: /var/lib/evenkeel/site_copy
    signers: /etc/evenkeel/bundle_signers
"""

RETURN = r"""
id:
  description: The name of the copy.
  type: str
  returned: success
files:
  description: The number of its files.
  type: int
  returned: success
signer:
  description: Who has signed the bundle; empty where no signature was asked for.
  type: str
  returned: success
restored:
  description: Paths that had lost their file.
  type: list
  elements: str
  returned: success, not in check mode
removed:
  description: Names of former copies that were removed.
  type: list
  elements: str
  returned: success, not in check mode
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import bundle_install
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(bundle_install.converge, bundle_install.ARGUMENT_SPEC, from_action=bundle_install.FROM_ACTION)


if __name__ == "__main__":
    main()
