#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: kernel parameters that are to be at least so high."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_floor
short_description: Raise kernel parameters to a least value, now and at boot
version_added: 0.4.0
description:
  - Raises what is lower, and never lowers anything. A parameter that is high enough without the drop-in is not put
    into it.
  - In a container the values in force are the host's; they are left, that is told, and is no failure.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  name:
    description: What the parameters are for; the drop-in is C(/etc/sysctl.d/60-evenkeel-NAME.conf).
    type: str
    required: true
  values:
    description: The least value of each parameter, a number; none removes the drop-in.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Let editors watch many files
  evenkeel.gpu.sysctl_floor:
    name: inotify
    values:
      fs.inotify.max_user_watches: 524288
"""

RETURN = r"""
raised:
  description: The parameters that are raised now, with their values.
  type: dict
  returned: success
  sample: {fs.inotify.max_user_watches: 524288}
left:
  description: What could not be done, or will not last, in words.
  type: list
  elements: str
  returned: success
path:
  description: The drop-in.
  type: str
  returned: success
  sample: /etc/sysctl.d/60-evenkeel-inotify.conf
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, sysctl_floor
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.virtualization import container


def main() -> None:
    run(
        converge,
        {
            "name": {"type": "str", "required": True},
            "values": {"type": "dict", "required": True},
        },
    )


def converge(module: Module) -> dict[str, Any]:
    values = numbers(module.params["values"])
    sysctl_floor.check(module.params["name"], values)
    path = sysctl_floor.path_of(module.params["name"])
    plan = sysctl_floor.plan(
        path,
        kept_files.read(path),
        values,
        sysctl_floor.read(list(values), in_container=bool(container(Sysroot()))),
        sysctl_floor.later(path),
    )
    if not module.check_mode:
        sysctl_floor.apply(plan)
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "raised": plan.rise,
        "left": list(plan.left),
        "warnings": list(plan.left),
        "path": path,
    }


def numbers(values: Mapping[str, Any]) -> dict[str, int]:
    """Return the values as numbers."""
    try:
        return {name: int(str(value)) for name, value in values.items()}
    except ValueError as error:
        raise EvenkeelError("values holds something else than whole numbers: %s" % error, "Correct it") from error


if __name__ == "__main__":
    main()
