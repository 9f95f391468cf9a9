# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: settings of conda, once they have been checked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: condarc_settings
short_description: Check settings of conda before any node is touched
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Refuses what M(evenkeel.gpu.condarc) would refuse on any node, so that a play can fail before it changes anything.
    The module checks what depends on the release of a node's conda.
positional: path
options:
  _input:
    description: Key to value, as in conda's own file.
    type: dict
    required: true
  path:
    description: The file for the settings.
    type: str
    default: ''
  state:
    description: The module's O(evenkeel.gpu.condarc#module:state).
    type: str
    default: merged
  final:
    description: The module's O(evenkeel.gpu.condarc#module:final).
    type: list
    elements: str
    default: []
  allow_unknown:
    description: The module's O(evenkeel.gpu.condarc#module:allow_unknown).
    type: list
    elements: str
    default: []
  prefix:
    description: The prefix of the variables with the options, so that an error names the variable.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Refuse settings that conda does not know
  ansible.builtin.assert:
    that: condarc_settings | evenkeel.gpu.condarc_settings is mapping
"""

RETURN = r"""
_value:
  description: The settings as they were given.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.options import check
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.plain import plain


@answering
def condarc_settings(
    settings: Mapping[str, Any],
    path: str = "",
    state: str = "merged",
    final: Sequence[str] = (),
    allow_unknown: Sequence[str] = (),
    prefix: str = "",
) -> dict[str, Any]:
    """Return settings of conda, once they have been checked.

    Raises
    ------
    AnsibleFilterError
        The module condarc would refuse them on every node.
    """
    given = {
        "settings": plain(settings),
        "path": path,
        "state": state,
        "final": list(final),
        "remove": [],
        "allow_unknown": list(allow_unknown),
        "conda_version": "",
    }
    try:
        check(given)
    except EvenkeelError as error:
        of_option = error.what.split(" ", 1)[0] in given
        raise EvenkeelError(prefix + error.what if of_option else error.what, error.remedy) from error
    return dict(settings)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"condarc_settings": condarc_settings}
