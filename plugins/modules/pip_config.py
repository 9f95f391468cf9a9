#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the index that pip and uv use on a node, for everyone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pip_config
short_description: Configure the index, proxy and certificates of pip and uv on a node
version_added: 0.1.0
description:
  - Manages single keys of pip's system-wide file, below a mark in its section C(global), and keeps everything else.
    Other values of these keys are replaced.
  - Manages uv's system-wide file as a whole. Different contents that Evenkeel did not write are an error.
  - Settings that this module wrote and that are no longer given are removed.
  - All users can read both files, and uv refuses to run if it can't read its own. So credentials in O(index) and
    O(proxy) are not written, with a warning; pip and uv read a user's credentials from C(~/.netrc).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  index:
    description: The package index (simple API). When empty, pip and uv use their own default.
    type: str
    default: ""
  proxy:
    description: The proxy.
    type: str
    default: ""
  no_proxy:
    description:
      - Comma-separated hosts and domains to reach without O(proxy). pip does not support such a list, and gets no proxy
        if the host of O(index) is among them.
    type: str
    default: ""
  ca_bundle:
    description:
      - A file of certificates on the node, in PEM, that pip trusts. uv has no setting for it and reads the
        environment's E(SSL_CERT_FILE).
    type: str
    default: ""
  pip_conf:
    description: pip's file.
    type: path
    default: /etc/pip.conf
  uv_toml:
    description: uv's file.
    type: path
    default: /etc/uv/uv.toml
seealso:
  - module: evenkeel.gpu.condarc
    description: Configures conda.
  - module: evenkeel.gpu.conda_mirror
    description: Chooses a mirror.
"""

EXAMPLES = r"""
- name: Have pip and uv use the site's index
  evenkeel.gpu.pip_config:
    index: https://pip.example.com/simple
"""

RETURN = r"""
paths:
  description: The files that were written or removed, or in check mode would be.
  type: list
  elements: str
  returned: success
  sample: [/etc/pip.conf, /etc/uv/uv.toml]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import pip_config
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(pip_config.converge, pip_config.ARGUMENT_SPEC, secrets=pip_config.secrets, **pip_config.RULES)


if __name__ == "__main__":
    main()
