# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of how environments are locked."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that lock."""

    DOCUMENTATION = r"""
options:
  platforms:
    description:
      - The platforms to solve for. Of an environment that names C(platforms), only these. By default those that the
        environment names, else those of the lock that is there, else C(linux-64).
    type: list
    elements: str
    choices: [linux-64, linux-aarch64]
  targets:
    description:
      - The distributions of the nodes, such as C(debian-12), C(ubuntu-24.04) and C(rocky-9). The lock fits the oldest
        kernel and C library among them. Default is all known ones.
    type: list
    elements: str
    default: []
  virtual_packages:
    description:
      - For each platform, virtual packages that override those of O(targets), such as
        C({linux-64{:} {__glibc{:} "2.31"}}).
    type: dict
    default: {}
  mirrors:
    description:
      - URL prefixes and their replacements, such as
        C({https://repo.anaconda.com{:} http://mirror.example/anaconda}). The longest prefix that matches is used.
    type: dict
    default: {}
  pip_index:
    description: URL of the package index (simple API). When empty, uv's own configuration applies.
    type: str
    default: ''
  pip_indexes:
    description:
      - URLs of further package indexes, asked in this order after those that the environment names and before
        O(pip_index). The first that has a package counts for it.
    type: list
    elements: str
    default: []
  build:
    description:
      - Names of pip packages of which wheels may be built from their source archive or commit, or V(all). Their code
        runs on the control node, or on O(build_host), in a sandbox without network, home and credentials.
      - A wheel that was built is kept in O(wheels) with a record, and used again for the same source, Python version
        and platform, so that locking again keeps its hash.
    type: list
    elements: str
    default: []
  build_without_sandbox:
    description:
      - Whether wheels may be built where the kernel has no sandbox to offer. Their code then sees the files and the
        network of the user that runs Ansible. Otherwise this is an error.
    type: bool
    default: false
  build_host:
    description:
      - The host of the inventory that builds for the platforms that the control node can't build for, since it is not
        Linux of their architecture or has no sandbox. Or a dictionary with the host of each platform that is not built
        for on the control node, such as C({linux-aarch64{:} builder01}).
      - A build there keeps to the same rules. The host needs Python 3.9 or newer and a kernel that gives Ansible's user
        a sandbox; it needs neither root nor the network, and keeps nothing.
    type: raw
  build_timeout:
    description: How many seconds each step of a build may take.
    type: int
    default: 3600
  wheels:
    description:
      - The directory that keeps the wheels. By default C(wheels) beside the lock, to be committed with it. The lock
        names them by their path relative to its folder.
    type: path
  wheels_url:
    description:
      - The URL at which nodes get what is in O(wheels), such as that of a web server or an object store that the
        directory is copied to. The lock names the wheels by it. By default, the control node hands them over.
    type: str
    default: ''
"""
