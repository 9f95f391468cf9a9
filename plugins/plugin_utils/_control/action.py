# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What every action shares: its entry, its call of the module, and its messages to the operator."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, unexpected
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line, sanitise, sanitised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.plain import plain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import broken, require

#: The fact that names the Python of the last run; the name by which Ansible's discovery knows it.
DISCOVERED = "discovered_interpreter_python"
#: A shell's exit status where it does not find a program.
NOT_FOUND = 127


@dataclass(frozen=True)
class Call:
    """A run of one of the collection's modules on the node.

    Attributes
    ----------
    module
        Its name within the collection.
    options
        Options of the module, as a task may set them.
    handed
        What no task sets: the module's ``FROM_ACTION`` specifies it.
    """

    module: str
    options: Mapping[str, Any]
    handed: Mapping[str, Any] = field(default_factory=dict)


#: What an action does: it yields calls, is sent the result of each, and returns the result of its task.
Steps = Generator[Call, dict[str, Any], dict[str, Any]]


class Action(ActionBase):  # type: ignore[misc]
    """An action whose result is sanitised, and whose EvenkeelError is a failure of its task."""

    _supports_check_mode = True
    #: Whether this is asked in check mode by a survey that a run follows at once: no other task comes before it.
    precedes_run = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._task.args = plain(self._task.args)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        try:
            require()
            result = self.act(task_vars or {})
        except EvenkeelError as error:
            result = {"failed": True, "changed": False, "msg": str(error), **error.details}
        except ImportError as error:
            result = {"failed": True, "changed": False, "msg": str(broken(error))}
        except AnsibleError:
            raise
        except Exception as error:  # Ansible would show its text as it is
            failed = {"failed": True, "changed": False, "msg": str(unexpected(error))}
            result = {**failed, "exception": traceback.format_exc()}
        if self._discovered_interpreter_key:
            found = {self._discovered_interpreter_key: self._discovered_interpreter}
            result = {**result, "ansible_facts": {**result.get("ansible_facts", {}), **found}}
        if "warnings" in result:
            lines = [in_one_line(masked(one)) if isinstance(one, str) else one for one in result["warnings"]]
            result = {**result, "warnings": lines}
        shown: dict[str, Any] = sanitised(result)
        return shown

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do what the action is for, and return its result."""
        steps = self.steps(task_vars)
        try:
            call = next(steps)
            while True:
                with self.watched(call):
                    answer = self.execute(call, task_vars)
                call = steps.send(answer)
        except StopIteration as end:
            result: dict[str, Any] = end.value
            return result

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        """Do what the action is for in calls, which a survey collects from several actions."""
        raise NotImplementedError

    def watched(self, call: Call) -> AbstractContextManager[None]:
        """Return what surrounds a call of the task, such as a display of its progress."""
        return nullcontext()

    def execute(self, call: Call, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run a module of the collection on the node, and return its result."""
        result = self._run_on_node(call, task_vars)
        # A node that was reinstalled may lack the Python that the last run has found.
        if lacks_python(result) and task_vars.get("ansible_facts", {}).pop(DISCOVERED, None):
            result = self._run_on_node(call, task_vars)
        return result

    def _run_on_node(self, call: Call, task_vars: dict[str, Any], background: int = 0) -> dict[str, Any]:
        """Run a module to its end, or start it with this many seconds to run."""
        try:
            result: dict[str, Any] = self._execute_module(
                module_name="evenkeel.gpu." + call.module,
                module_args={**call.options, HANDED: dict(call.handed)},
                task_vars=task_vars,
                wrap_async=background,
            )
        except AnsibleConnectionFailure:
            # ssh may fail first where there is no Python that reads what is sent.
            if self._has_python(task_vars):
                raise
            result = {"failed": True, "changed": False, "rc": NOT_FOUND, "module_stdout": ""}
        return result

    def _has_python(self, task_vars: Mapping[str, Any]) -> bool:
        """Return whether the Python that was found is there; one that the inventory names is taken for granted."""
        python = self._discovered_interpreter or task_vars.get("ansible_facts", {}).get(DISCOVERED)
        return not python or self._low_level_execute_command(f"test -x {shlex.quote(python)}")["rc"] == 0


def lacks_python(result: Mapping[str, Any]) -> bool:
    """Return whether a module did not run since the node has no such Python."""
    return result.get("rc") == NOT_FOUND and "module_stdout" in result


def warn(text: str) -> None:
    """Warn the operator; the same warning is shown once."""
    Display().warning(in_one_line(masked(text)))


def show(text: str) -> None:
    """Show the operator a line, while a task runs."""
    Display().display(sanitise(text))
