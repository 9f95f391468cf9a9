#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a copy of exactly the packages that a site needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_copy
short_description: Keep a copy of exactly the packages that a site needs
version_added: 0.2.0
description:
  - Fetches what O(wants) names from O(upstreams) into a folder, with everything named in a manifest and nothing else.
    Paths are those of the caching proxy M(evenkeel.gpu.package_mirror).
  - Of APT and RPM repositories, the signed lists are copied as they are, with the wanted packages and what they depend
    on. Of conda's channels and of a package index, indexes of exactly these packages are made.
  - Every file is checked by size and hash before it gets its name. An interrupted run is resumed by the next. The copy
    in use changes by one rename, when all of the new one is on the disk.
  - What is asked for and can't be given is an error, before any package is fetched.
  - With O(state=absent), removes all copies and files of the folder. What others have put into it stays, and is in
    RV(left).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  directory:
    description:
      - Where it is. C(current/tree) has the files to be served, C(current/manifest.json) names them. Files by hash are
        in C(store). The folder is for this alone.
    type: path
    required: true
  state:
    description: Whether there is a copy.
    type: str
    choices: [present, absent]
    default: present
  wants:
    description: What to copy; P(evenkeel.gpu.site_copy_wants#filter) returns it. Required with O(state=present).
    type: dict
    suboptions:
      files:
        description: Single files, such as installers and keys.
        type: list
        elements: dict
        default: []
        suboptions: &file
          path:
            description: Its path in the copy.
            type: str
            required: true
          url:
            description: Where it comes from; by default the path at its upstream.
            type: str
            default: ""
          sha256:
            description: Its SHA-256. Without one, it is fetched again in each run.
            type: str
            default: ""
          size:
            description: Its size in bytes, 0 where that is not known.
            type: int
            default: 0
      conda:
        description: Packages of conda's channels.
        type: list
        elements: dict
        default: []
        suboptions: *file
      pip:
        description: Files of a package index.
        type: list
        elements: dict
        default: []
        suboptions:
          project:
            description: The project that it belongs to.
            type: str
            required: true
          name:
            description: The name of the file.
            type: str
            required: true
          url:
            description: Where it comes from.
            type: str
            required: true
          sha256:
            description: Its SHA-256.
            type: str
            required: true
          size:
            description: Its size in bytes, 0 where that is not known.
            type: int
            default: 0
      packages:
        description: Packages of a distribution, with all that they depend on.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: What they are for, for messages, such as C(Debian 12 on x86_64).
            type: str
            required: true
          kind:
            description: The kind of the repositories.
            type: str
            choices: [apt, rpm]
            required: true
          architecture:
            description: As packages have it, such as V(amd64) or V(x86_64).
            type: str
            required: true
          repositories:
            description: The repositories that such a node has.
            type: list
            elements: dict
            required: true
            suboptions:
              path:
                description: Its path in the copy, such as C(debian).
                type: str
                required: true
              suite:
                description: Of APT, the suite, such as C(bookworm); V(/) is a repository without suites.
                type: str
                default: /
              components:
                description: Of APT, the components.
                type: list
                elements: str
                default: []
              key:
                description:
                  - The key that its lists are signed with, a path in the copy, or an absolute path of this machine.
                    Without one, or without C(gpgv), the signature is left to the nodes.
                type: str
                default: ""
              key_member:
                description: The path of the key within the Debian package that O(wants.packages.repositories.key) is.
                type: str
                default: ""
          packages:
            description: Names, or C(NAME=VERSION).
            type: list
            elements: str
            required: true
          pins:
            description: Packages of which one version alone counts, as nodes have it.
            type: list
            elements: dict
            default: []
            suboptions:
              patterns:
                description: Patterns of their names, or with C(src:) before it, of names of source packages.
                type: list
                elements: str
                required: true
              version:
                description: The version, without what a distribution appends to it.
                type: str
                required: true
          complete:
            description:
              - Whether the repositories must have all dependencies. Otherwise, nodes have the rest from elsewhere.
            type: bool
            default: true
  upstreams:
    description: Where what is below which path comes from; P(evenkeel.gpu.package_mirror_upstreams#filter) returns it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path in the copy, such as C(nvidia/cuda).
        type: str
        required: true
      url:
        description: The upstream's URL.
        type: str
        required: true
      pages:
        description: Of no meaning here.
        type: bool
        default: false
      links:
        description: Of no meaning here.
        type: dict
        default: {}
  keep:
    description: How many copies stay, with the one in use.
    type: int
    default: 2
  verify:
    description:
      - Whether all files of the copy in use are read and compared with their hashes, and the damaged ones fetched
        again. Otherwise their sizes are compared.
    type: bool
    default: false
  connections:
    description: How many files are fetched at once.
    type: int
    default: 8
  timeout:
    description: How many seconds an upstream may stay silent, or be slower than 10 kB a second.
    type: int
    default: 60
  retries:
    description: How often it is asked again.
    type: int
    default: 3
  ca_path:
    description: A file of certificates, in PEM, to trust instead of the system's.
    type: path
  lock_timeout:
    description: How many seconds to wait while another run changes the copy.
    type: int
    default: 300
seealso:
  - module: evenkeel.gpu.package_mirror
    description: Serves it.
"""

EXAMPLES = r"""
- name: Keep a copy of an installer
  evenkeel.gpu.site_copy:
    directory: /var/lib/evenkeel/site_copy
    upstreams: [{path: anaconda/miniconda, url: "https://repo.anaconda.com/miniconda"}]
    wants:
      files: [{path: anaconda/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh}]

- name: Have no copy
  evenkeel.gpu.site_copy:
    directory: /var/lib/evenkeel/site_copy
    state: absent
"""

RETURN = r"""
id:
  description: The name of the copy; in check mode of what it would be, without the time.
  type: str
  returned: with O(state=present)
directory:
  description: The folder, as it was given.
  type: str
  returned: with O(state=present)
files:
  description: The number of its files.
  type: int
  returned: with O(state=present)
size:
  description: The bytes of its files.
  type: int
  returned: with O(state=present)
fetched:
  description: The C(files) that were fetched, and their C(size) in bytes as far as that was known before.
  type: dict
  returned: with O(state=present)
damaged:
  description: Paths of files that were damaged in the store, with O(verify).
  type: list
  elements: str
  returned: with O(state=present)
notes:
  description: What packages depend on that nodes have from elsewhere, where a set need not be complete.
  type: list
  elements: str
  returned: with O(state=present)
removed:
  description: Names of former copies that were removed.
  type: list
  elements: str
  returned: with O(state=present), not in check mode
left:
  description: With O(state=absent), what others have put into the folder.
  type: list
  elements: str
  returned: with O(state=absent)
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import site_copy


def main() -> None:
    run(site_copy.converge, site_copy.ARGUMENT_SPEC, from_action=site_copy.FROM_ACTION, **site_copy.RULES)


if __name__ == "__main__":
    main()
