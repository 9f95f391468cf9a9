# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the modules of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of a module that reads, plans and applies; a module says where it differs."""

    DOCUMENTATION = r"""
author:
  - The Evenkeel team (@evenkeel)
options: {}
attributes:
  check_mode:
    description: Runs in check mode, and reports what it would change without changing it.
    support: full
  diff_mode:
    description: Reports in diff mode what changes, or would change in check mode.
    support: full
  idempotent:
    description: A second run with the same options changes nothing, unless something else changed the node meanwhile.
    support: full
  action_group:
    description: Options in C(module_defaults) of C(group/evenkeel.gpu.all) also apply to this module.
    support: full
    membership: [evenkeel.gpu.all]
  platform:
    description: The systems that it supports.
    support: full
    platforms: linux
"""

    #: Of a module whose action has a part of the work.
    ACTION = r"""
options: {}
attributes:
  action:
    description: Has an action of the same name, which runs on the control node.
    support: full
  async:
    description: Can be run in the background by C(async).
    support: none
  become:
    description: Can be run as another user on the node by C(become).
    support: full
  bypass_host_loop:
    description: Runs once for all nodes rather than for each of them.
    support: none
"""

    #: Of a module that is an action alone, and reports on the control node. To be listed before the other two.
    CONTROL_NODE = r"""
options: {}
attributes:
  become:
    description: Can be run as another user on the node by C(become).
    support: none
  diff_mode:
    description: Reports in diff mode what changes, or would change in check mode.
    support: none
"""
