#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what roles would change on a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: survey
short_description: Find out what roles would change, before anything changes
version_added: 0.2.0
author:
  - Evenkeel Project (@evenkeel)
description:
  - Rehearses the tasks of several roles of this collection in one call, and changes nothing on the node.
"""

EXAMPLES = r"""
"""

RETURN = r"""
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import survey


def main() -> None:
    run(survey.read, survey.ARGUMENT_SPEC, from_action=survey.FROM_ACTION, verbatim=survey.VERBATIM)


if __name__ == "__main__":
    main()
