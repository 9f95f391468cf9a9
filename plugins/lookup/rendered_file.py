# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible lookup: files of a role's templates, rendered."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rendered_file
short_description: Render files of a role's templates
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Does what P(ansible.builtin.template#lookup) does without its options, and does not copy all variables of the host
    for each file, which takes longer than all else that a role computes.
options:
  _terms:
    description: The names of files, in the folder C(templates) of the role.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what a unit would hold
  ansible.builtin.debug:
    msg: "{{ lookup('evenkeel.gpu.rendered_file', 'jupyter@.service.j2') }}"
"""

RETURN = r"""
_raw:
  description: The text of each file.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require


class LookupModule(LookupBase):  # type: ignore[misc]
    """Render files with the variables as they are."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None) -> list[str]:
        try:
            require()
        except EvenkeelError as error:
            raise AnsibleLookupError(str(error)) from error
        return [self._rendered(term, variables or {}) for term in terms]

    def _rendered(self, name: str, variables: dict[str, Any]) -> str:
        path = self.find_file_in_search_path(variables, "templates", name, ignore_missing=True)
        if not path:
            raise AnsibleLookupError(f"There is no file {name} in the role's folder templates. Add it there.")
        text = trust_as_template(self._loader.get_text_file_contents(path))
        return str(self._templar.template(text, escape_backslashes=False))
