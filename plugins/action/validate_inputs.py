# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: validate the inputs of a role or a playbook of this collection, on the control node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.vars import load_extra_vars
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

COLLECTION = Path(__file__).parents[2]
SPECIFICATION = Path("meta") / "argument_specs.yml"
#: The entry point of the roles' specifications. At another name Ansible would validate them, too, and show all of them.
ENTRY_POINT = "inputs"
#: The playbook whose inputs are those of all, since their roles read them.
SITE = "site"

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {"playbook": {"type": "str"}, "checks": {"type": "str"}}

Options = dict[str, dict[str, Any]]


class ActionModule(Action):
    """Compare variables with the argument specification of the role that has the task, or of a playbook."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        if arguments["playbook"]:
            found = self._of_playbook(arguments["playbook"], task_vars)
        else:
            found = self._of_role(Path(task_vars["role_path"]), arguments["checks"], task_vars)
        return {"changed": False, **({"failed": True, "msg": "\n".join(found)} if found else {})}

    def _of_playbook(self, name: str, task_vars: Mapping[str, Any]) -> list[str]:
        playbooks = read_mapping(COLLECTION / "playbooks" / SPECIFICATION)["argument_specs"]
        given = load_extra_vars(self._loader)
        new_names = inputs.changes()["playbooks"].get(name, {})
        wrong = inputs.renamed(given, new_names)
        wrong += _misspelt(name, {**playbooks[SITE]["options"], **playbooks[name]["options"]}, given)
        return wrong or self._wrong_values(playbooks[name]["options"], task_vars)

    def _of_role(self, path: Path, checks: str | None, task_vars: Mapping[str, Any]) -> list[str]:
        wrong = inputs.renamed(task_vars, inputs.changes()["roles"].get(path.name, {}))
        wrong += self._wrong_values(_options_of_role(path), task_vars)
        if wrong:
            return wrong
        for line in inputs.changed_defaults(path.name, task_vars):
            warn(line)
        # They may take for granted that the types are right.
        try:
            found = self._template(task_vars[checks]) if checks else []
            return [check["problem"] for check in found if not check["ok"]]
        except AnsibleError as error:
            if refused := _refused(error):
                return [refused]
            raise

    def _wrong_values(self, options: Options, task_vars: Mapping[str, Any]) -> list[str]:
        wrong: list[str] = []
        failures: dict[str, str] = {}
        for name, option in options.items():
            try:
                values = {name: self._template(task_vars[name])} if name in task_vars else {}
                wrong += inputs.problems({name: option}, values)
            except AnsibleError as error:
                # One cause may make many variables unreadable.
                failures.setdefault(_refused(error) or str(error), name)
        # A variable may be unreadable only because another has a wrong type.
        return wrong or [inputs.unreadable(name, reason) for reason, name in failures.items()]

    def _template(self, value: Any) -> Any:
        return self._templar.template(value)


def _refused(error: BaseException | None) -> str | None:
    """Return what a filter of this collection has against its input, which Ansible wraps; None for other errors."""
    while error is not None and not isinstance(error, EvenkeelError):
        error = error.__cause__
    return None if error is None else str(error)


def _options_of_role(path: Path) -> Options:
    specification = read_mapping(path / SPECIFICATION)["argument_specs"]
    if ENTRY_POINT not in specification:
        raise EvenkeelError(f"{path / SPECIFICATION} has no entry point {ENTRY_POINT}", "Describe the inputs there")
    options: Options = specification[ENTRY_POINT]["options"]
    return options


def _misspelt(playbook: str, options: Options, given: Mapping[str, Any]) -> list[str]:
    """Return a line for each variable of the command line that begins like an input and is none."""
    roles = {path.parents[1].name: path.parents[1] for path in (COLLECTION / "roles").glob(f"*/{SPECIFICATION}")}
    prefixes = [f"{playbook.partition('_')[0]}_", "evenkeel_", *(f"{role}_" for role in roles)]
    known = set(options)
    if any(name.startswith(tuple(prefixes)) and name not in known for name in given):
        known = known.union(*(_options_of_role(path) for path in roles.values()))
    return inputs.misspelt(given, prefixes, known)
