#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a conda distribution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_distribution
short_description: Install a conda distribution from a checksummed installer
version_added: 0.1.0
description:
  - Downloads the shell installer of Miniconda, or of another distribution with the same contract, checks its SHA-256
    and installs it into a directory of its own below O(store).
  - O(prefix) is a symbolic link to that directory, set by one rename after the installation is complete. It is never
    half-made, and another version is a switch of the link. Installations that the link no longer names are kept.
  - Whatever stands at O(prefix) and was not made by this module is left alone, and the module fails.
  - What a killed run left in O(store) is removed by the next run.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  url:
    description: Where the installer is, an C(http), C(https) or C(file) URL that ends in the installer's own name.
    type: str
    required: true
  sha256:
    description: The installer's SHA-256, 64 lower-case hexadecimal digits.
    type: str
    required: true
  prefix:
    description: The path under which people find the distribution.
    type: path
    default: /opt/miniconda3
  store:
    description: The directory that holds the installations, on a file system with room for several.
    type: path
    default: /opt/evenkeel/distributions
  timeout:
    description: How many seconds the mirror may stay silent.
    type: int
    default: 30
  retries:
    description: How often a download is tried again after silence, a broken transfer or a 5xx answer.
    type: int
    default: 3
  lock_timeout:
    description: How many seconds to wait for another run on the same O(store).
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Install Miniconda
  evenkeel.gpu.conda_distribution:
    url: https://repo.anaconda.com/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh
    sha256: 7358a5961dc6a4941d087281cd70313728fcc68695735e18a337321bc31c7f51
"""

RETURN = r"""
prefix:
  description: The path under which people find the distribution.
  type: str
  returned: success
  sample: /opt/miniconda3
home:
  description: The directory that O(prefix) points at after the run.
  type: str
  returned: success
  sample: /opt/evenkeel/distributions/Miniconda3-py313_26.5.3-1-Linux-x86_64-7358a5961dc6
"""

import os
from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.gpu.plugins.module_utils import _distribution as distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._lock import held


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "prefix": {"type": "path", "default": "/opt/miniconda3"},
            "store": {"type": "path", "default": "/opt/evenkeel/distributions"},
            "timeout": {"type": "int", "default": 30},
            "retries": {"type": "int", "default": 3},
            "lock_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params = module.params
    desired = distribution.Desired(params["url"], params["sha256"], params["prefix"], params["store"])
    try:
        distribution.check(desired)
        plan = distribution.plan(distribution.read(desired), desired)
        if plan.changed and not module.check_mode:
            os.umask(0o022)
            with held(os.path.join(desired.store, ".lock"), params["lock_timeout"]) as lock:
                plan = distribution.plan(distribution.read(desired), desired)
                run_installer = partial(module.run_command, pass_fds=[lock])
                distribution.apply(plan, desired, run_installer, params["timeout"], params["retries"])
    except EvenkeelError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=plan.changed, diff=plan.diff, prefix=desired.prefix, home=desired.home)


if __name__ == "__main__":
    main()
