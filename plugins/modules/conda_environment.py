#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a named conda environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment
short_description: Keep a named conda environment, the same on every node
version_added: 0.1.0
description:
  - Builds the environment from exact, hashed packages beside the one in use and switches to it by one rename, so the
    name never shows a half-made environment and running programs keep the one they started with.
  - The list of packages is solved once for each run, platform and set of virtual packages, on the control node with
    py-rattler; that one answer goes to every node. Nodes never solve.
  - An environment whose list has not changed is left as it is, without a solve, however new the channel's packages are.
  - An environment whose records no longer are what it was built from is replaced by a fresh build of the same packages.
  - Whatever stands at the environment's name and was not made by this module is left alone, and the module fails.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes.flow
  - evenkeel.gpu.attributes
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: full
  bypass_host_loop:
    support: none
requirements:
  - py-rattler on the control node
options:
  name:
    description: The environment's name, letters, digits, C(_), C(-) and C(.).
    type: str
    required: true
  packages:
    description: What the environment shall hold, as conda's match specifications, such as C(python=3.11).
    type: list
    elements: str
    required: true
  channels:
    description: Where the packages are, in order of priority, as URLs or as names of channels at C(conda.anaconda.org).
    type: list
    elements: str
    required: true
  root:
    description: The directory that holds C(envs/), C(generations/) and the package cache C(pkgs/), on one file system.
    type: path
    default: /opt/evenkeel
  conda:
    description: The distribution's command, which builds the environment.
    type: path
    default: /opt/miniconda3/bin/conda
  resolved:
    description:
      - The exact packages that answer O(packages). The action fills this in; set it to bring an answer of your own.
    type: list
    elements: dict
    suboptions:
      name:
        description: The package's name.
        type: str
        required: true
      version:
        description: Its version.
        type: str
        required: true
      build:
        description: Its build string.
        type: str
        required: true
      sha256:
        description: The SHA-256 of its archive.
        type: str
        required: true
      url:
        description: Where the archive is.
        type: str
        required: true
  lock_timeout:
    description: How many seconds to wait for another run that works on the same package cache.
    type: int
    default: 1800
"""

EXAMPLES = r"""
- name: Build an environment for notebooks
  evenkeel.gpu.conda_environment:
    name: ai-dev
    packages:
      - python=3.11
      - jupyterlab
      - numpy>=2
    channels:
      - https://repo.anaconda.com/pkgs/main
"""

RETURN = r"""
digest:
  description: SHA-256 over the sorted identities (name, version, build, hash) of the environment's packages.
  type: str
  returned: when the packages are known
  sample: 3b7f0a2d1f9c4e5a8d6b7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2
prefix:
  description: Where people find the environment.
  type: str
  returned: success
  sample: /opt/evenkeel/envs/ai-dev
generation:
  description: The directory that O(ignore:prefix) points at after the run.
  type: str
  returned: when the packages are known
  sample: /opt/evenkeel/generations/ai-dev/3b7f0a2d1f9c4e5a
unresolved:
  description: What a solver has to know. The action answers it with a second call; a task never sees it.
  type: dict
  returned: when the packages are not known yet
"""

import os
from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.gpu.plugins.module_utils import _environment as environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._platform import this_node


def main() -> None:
    package_spec = {key: {"type": "str", "required": True} for key in ("name", "version", "build", "sha256", "url")}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "channels": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "path", "default": "/opt/evenkeel"},
            "conda": {"type": "path", "default": "/opt/miniconda3/bin/conda"},
            "resolved": {"type": "list", "elements": "dict", "options": package_spec},
            "lock_timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**converge(module))
    except EvenkeelError as error:
        module.fail_json(msg=str(error), **error.details)


def converge(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    name, root = params["name"], params["root"]
    environment.check(root, name)
    request = environment.Request(tuple(sorted(params["packages"])), tuple(params["channels"]))
    result: dict[str, object] = {"prefix": environment.link_of(root, name)}

    state = environment.read(root, name)
    packages = environment.known_packages(state, request)
    if params["resolved"] is not None:
        packages = tuple(environment.package_from(record) for record in params["resolved"])
    if packages is None:
        platform, virtual_packages = this_node()
        unresolved = {**vars(request), "platform": platform, "virtual_packages": virtual_packages}
        return {"changed": False, "unresolved": unresolved, **result}

    plan = environment.plan(state, root, name, request, packages)
    if plan.changed and not module.check_mode:
        os.umask(0o022)
        with held(os.path.join(root, "locks", "pkgs"), params["lock_timeout"]) as lock:
            plan = environment.plan(environment.read(root, name), root, name, request, packages)
            run_conda = partial(module.run_command, pass_fds=[lock])
            environment.apply(plan, root, name, params["conda"], run_conda)
    return {
        "changed": plan.changed,
        "diff": plan.diff,
        "digest": environment.digest(packages),
        "generation": plan.path,
        **result,
    }


if __name__ == "__main__":
    main()
