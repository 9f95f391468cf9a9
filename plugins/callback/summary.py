# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible callback: what a run has done to each node, what waits there, and what was left."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
author:
  - The Evenkeel team (@evenkeel)
short_description: Sum up what a run has done to each node, what waits there, and what was left
version_added: 0.2.0
description:
  - At the end of a run with Evenkeel's roles, such as C(site.yml), C(rollout.yml) or a playbook of your own, shows for
    each node which roles have changed something, which restarts and reboots wait, and what was left and why. Nodes of
    which all is the same are shown together; those that have failed or can't be reached come last.
requirements:
  - C(callbacks_enabled = evenkeel.gpu.summary) in the section C([defaults]) of C(ansible.cfg)
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.run_summary import COLUMNS, Node, lines

_COLLECTION = "evenkeel.gpu"
_SURVEY = f"{_COLLECTION}.survey"
_PYTHON = f"{_COLLECTION}.node_python"
_REBOOTS = ("ansible.builtin.reboot", "reboot")
#: The role that is not about a node.
_OF_THE_RUN = "mirror"


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Keeps what the results of Evenkeel's roles say."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "evenkeel.gpu.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._nodes: dict[str, Node] = {}
        #: Whether this is a run with roles of Evenkeel's.
        self._concerned = False
        #: Whether a role has surveyed itself alone.
        self._of_a_role = False

    def v2_runner_on_ok(self, result: Any) -> None:
        role = self._role(result.task)
        if result.task.action in _REBOOTS and result.result.get("rebooted"):
            self._node(result).rebooted()
        if result.task.action == _SURVEY:
            self._of_a_role = self._of_a_role or bool(role)
            # What a preview has found, its playbook may leave on purpose.
            plan = {**result.result, "to_do": []} if _is_preview(result.task) else result.result
            self._node(result).surveyed(plan, again=_is_report(result.task))
        elif role and not _is_preview(result.task):
            self._node(result).ran(role, result.task.action.rpartition(".")[2], _items(result.result))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        role = self._role(result.task)
        if ignore_errors:
            return
        if role and not _is_preview(result.task):
            self._node(result).ran(role, result.task.action.rpartition(".")[2], _items(result.result))
        why = [str(one["msg"]) for _item, one in _items(result.result) if one.get("failed") and one.get("msg")]
        where = role or (result.task.name or result.task.action)
        # Of a task with no_log, there is only that its output is censored.
        whole = str(result.result.get("msg") or result.result.get("censored") or "")
        # A survey's problems begin with their role.
        self._node(result).failed.append((where, (why or [whole])[0].removeprefix(f"{where}: ")))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._role(result.task)
        if not result.task.ignore_unreachable:
            self._node(result).unreachable = str(result.result.get("msg", "")) or "it does not answer"

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._concerned:
            return
        for name, node in self._nodes.items():
            # The others were rescued: what is not ends the run of its node.
            node.failed = node.failed[max(len(node.failed) - stats.failures.get(name, 0), 0) :]
        only = set(context.CLIARGS.get("tags") or ()) - {"all"} or context.CLIARGS.get("skip_tags")
        found = lines(
            self._nodes, check=_checks(), only_some_roles=bool(only) or self._of_a_role, columns=self._columns()
        )
        if found:
            self._display.banner("SUMMARY")
            self._display.display("\n".join(found))

    def _columns(self) -> int:
        return min(COLUMNS, self._display.columns) if sys.stdout.isatty() else COLUMNS

    def _node(self, result: Any) -> Node:
        return self._nodes.setdefault(result.host.get_name(), Node())

    def _role(self, task: Any) -> str:
        """Return the role of Evenkeel's that a task belongs to, or an empty text."""
        collection, _dot, role = (task._role.get_name() if task._role else "").rpartition(".")
        if collection != _COLLECTION or role == _OF_THE_RUN:
            role = ""
        self._concerned = self._concerned or bool(role) or _begins(task)
        return role


def _begins(task: Any) -> bool:
    """Return whether a task is one with which changes of nodes begin."""
    return task.action == _PYTHON or (task.action == _SURVEY and not _is_report(task))


def _is_report(task: Any) -> bool:
    """Return whether a survey is not the beginning of changes, but says how a node is."""
    return task.args.get("fail") is False


def _checks() -> bool:
    return bool(context.CLIARGS.get("check"))


def _is_preview(task: Any) -> bool:
    """Return whether a task of a run that changes nodes has only shown what it would change."""
    return task.check_mode is True and not _checks()


def _items(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the results of a task by item; without a loop, the only one under an empty name."""
    if "results" not in result or not isinstance(result["results"], list):
        yield "", result
        return
    for one in result["results"]:
        if isinstance(one, Mapping):
            label = one.get("_ansible_item_label", one.get(one.get("ansible_loop_var", "item"), ""))
            yield label if isinstance(label, str) else "", one
