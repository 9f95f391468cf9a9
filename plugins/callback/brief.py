# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible callback: the default output without the results that say nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: brief
type: stdout
author:
  - The Evenkeel team (@evenkeel)
short_description: Show changes, failures, warnings and messages; the rest with -v
version_added: 0.2.0
description:
  - The default output, without tasks and items that were skipped or are as they should be, and without includes. What
    fails, changes, warns or is a message is shown, in check mode, too. With C(-v) all is shown as by default.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - C(stdout_callback = evenkeel.gpu.brief) in the section C([defaults]) of C(ansible.cfg)
"""

from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default

_WARNINGS = ("warnings", "deprecations", "exception")


class CallbackModule(Default):  # type: ignore[misc]
    """Leaves out what says nothing, unless more was asked for."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "evenkeel.gpu.brief"

    def set_options(self, *args: Any, **options: Any) -> None:
        super().set_options(*args, **options)
        if not self._display.verbosity:
            # The name of a task then waits for its first result that is shown.
            self.set_option("display_skipped_hosts", False)

    def v2_runner_on_ok(self, result: Any) -> None:
        if self._says_something(result):
            super().v2_runner_on_ok(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if self._says_something(result):
            super().v2_runner_item_on_ok(result)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if self._display.verbosity:
            super().v2_playbook_on_include(included_file)

    def _says_something(self, result: Any) -> bool:
        found = result.result
        return bool(
            self._display.verbosity
            or found.get("changed")
            or found.get("_ansible_verbose_always")
            or any(found.get(key) for key in _WARNINGS)
        )
