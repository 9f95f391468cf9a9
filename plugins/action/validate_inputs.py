# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: validate the inputs of a role or a playbook of this collection, on the control node."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.vars import load_extra_vars
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import (
    inputs,
    inventory_files,
    specifications,
    variable_names,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.read_ahead import read_ahead
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.specifications import Options

#: By playbook, the inputs that Ansible reads before it knows a host, which only the command line can set.
COMMAND_LINE_ONLY = {
    "rollout": ("rollout_build_batch", "rollout_task_timeout", "rollout_build_only", "rollout_canary", "rollout_batch"),
    "upgrade_driver": ("upgrade_serial", "upgrade_max_fail_percentage"),
}
#: By playbook, the inputs that say how many nodes are changed at a time.
BATCHES = {"rollout": ("rollout_build_batch", "rollout_batch"), "upgrade_driver": ("upgrade_serial",)}
#: By playbook, the inputs that name a group.
GROUPS = {"rollout": ("rollout_canary",)}
#: By playbook, the inputs of which one counts.
EITHER = {"rollback": ("rollback_steps", "rollback_generation"), "export": ("export_env", "export_list")}
#: The playbook that runs on the control node, and what it reads besides its own inputs.
LOCK = "lock"
LOCK_READS = ("conda_environments_directory",)

#: By playbook, the inputs of roles that it reads, and the input of its own that counts before each, if it has one.
READ_INSTEAD = {
    LOCK: {"conda_environments_mirrors": "lock_mirrors", "conda_environments_pip_index": "lock_pip_index"},
    "export": {"conda_environments_mirrors": "", "conda_environments_pip_index": ""},
}

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {"playbook": {"type": "str"}, "checks": {"type": "str"}}

Variables = Mapping[str, Any]

# Ansible's main process imports this file before it forks workers.
read_ahead()


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

    def _of_playbook(self, name: str, task_vars: Variables) -> list[str]:
        playbooks = specifications.of_playbooks()
        given = load_extra_vars(self._loader)
        hosts = _hosts(task_vars)
        wrong = inputs.renamed(given, inputs.changes()["playbooks"].get(name, {}))
        wrong += _set_too_late(COMMAND_LINE_ONLY.get(name, ()), given, task_vars)
        if hosts:
            wrong += self._of_inventory(name, hosts, task_vars)
        wrong += self._unknown(variable_names.names_of_playbook(name), hosts, task_vars)
        for line in self._unreadable(READ_INSTEAD.get(name, {}), task_vars):
            warn(line)
        options = {**playbooks[specifications.SITE], **playbooks[name]}
        return (
            wrong
            or self._wrong_values(options, task_vars)
            or self._wrong_texts(playbooks[name], task_vars)
            or inputs.both_given(EITHER.get(name, ()), task_vars)
            or self._wrong_numbers(playbooks[name], task_vars)
            or self._wrong_batches(BATCHES.get(name, ()), task_vars)
            or self._wrong_groups(GROUPS.get(name, ()), task_vars)
            or self._wrong_elsewhere(options, hosts, task_vars)
        )

    def _of_inventory(self, playbook: str, hosts: Mapping[str, Variables], task_vars: Variables) -> list[str]:
        """Warn of what has no effect, and return what is wrong."""
        groups: Mapping[str, Collection[str]] = task_vars["groups"]
        roles, playbooks = specifications.of_roles(), specifications.of_playbooks()
        names = variable_names.names_of_playbook(playbook)
        for line in inventory_files.unread(
            task_vars.get("ansible_inventory_sources") or [],
            Path(task_vars["playbook_dir"]),
            groups,
            groups["all"],
            sorted({f"{role}_" for role in roles} | {name for options in playbooks.values() for name in options}),
        ):
            warn(line)
        for line in _unread_by_lock(playbooks[LOCK], hosts, task_vars):
            warn(line)
        return variable_names.misplaced_names(groups["all"], groups, names.known)

    def _of_role(self, path: Path, checks: str | None, task_vars: Variables) -> list[str]:
        options = specifications.of_role(path)
        wrong = inputs.renamed(task_vars, inputs.changes()["roles"].get(path.name, {}))
        host = {str(task_vars.get("inventory_hostname")): task_vars}
        wrong += self._unknown(variable_names.names_of_role(path), host, task_vars)
        wrong += self._wrong_values(options, task_vars)
        if wrong:
            return wrong
        for line in inputs.changed_defaults(path.name, task_vars):
            warn(line)
        # They may take for granted that the types are right.
        try:
            return [
                self._template(check["problem"])
                for check in self._listed(task_vars[checks] if checks else [])
                if not self._template(check["ok"])
            ]
        except AnsibleError as error:
            if refused := _refused(error):
                return [refused]
            raise

    def _listed(self, checks: Any) -> Iterator[Mapping[str, Any]]:
        """Return checks as they stand in a list: most of what they would say is never needed."""
        for check in checks if isinstance(checks, list) else self._template(checks):
            yield self._template(check) if isinstance(check, str) else check

    def _wrong_values(self, options: Options, variables: Variables) -> list[str]:
        wrong: list[str] = []
        failures: dict[str, str] = {}
        for name, option in options.items():
            try:
                values = {name: self._template(variables[name])} if name in variables else {}
                wrong += inputs.problems({name: option}, values)
            except AnsibleError as error:
                # One cause may make many variables unreadable.
                failures.setdefault(_refused(error) or str(error), name)
        # A variable may be unreadable only because another has a wrong type.
        return wrong or [inputs.unreadable(name, reason) for reason, name in failures.items()]

    def _wrong_texts(self, options: Options, variables: Variables) -> list[str]:
        values = {name: self._template(variables[name]) for name in options if name in variables}
        return [line for name, value in values.items() for line in inputs.wrong_text(name, options[name], value)]

    def _wrong_numbers(self, options: Options, variables: Variables) -> list[str]:
        names = [name for name, option in options.items() if option.get("type") in ("int", "float")]
        values = {name: self._template(variables[name]) for name in names if name in variables}
        return [line for name, value in values.items() for line in inputs.wrong_number(name, value)]

    def _wrong_batches(self, names: Collection[str], variables: Variables) -> list[str]:
        values = {name: self._template(variables[name]) for name in names if name in variables}
        return [line for name, value in values.items() for line in inputs.wrong_batches(name, value)]

    def _wrong_groups(self, names: Collection[str], variables: Variables) -> list[str]:
        values = {name: self._template(variables[name]) for name in names if name in variables}
        return [line for name, value in values.items() for line in inputs.wrong_group(name, value, variables["groups"])]

    def _unreadable(self, names: Mapping[str, str], variables: Variables) -> list[str]:
        """Return a line for each variable that has no value here, so that its default is taken."""
        lines = []
        for name, own in names.items():
            try:
                if own not in variables:
                    self._template(variables.get(name))
            except AnsibleError as error:
                what = inputs.unreadable(name, str(error)).rstrip(". ")
                way_out = "Define what it is made of, or give the vault's password"
                lines.append(
                    str(EvenkeelError(f"{what}. Its default is taken", f"{way_out}; or set {own}" if own else way_out))
                )
        return lines

    def _wrong_elsewhere(self, options: Options, hosts: Mapping[str, Variables], task_vars: Variables) -> list[str]:
        """Return what is wrong with values that other hosts have than the task's own, the same line once."""
        lines: dict[str, str] = {}
        for host, variables in hosts.items():
            differing = {
                name: option
                for name, option in options.items()
                if name in variables and variables[name] != task_vars.get(name)
            }
            if differing:
                for line in self._wrong_values(differing, task_vars["hostvars"][host]):
                    lines.setdefault(line, f"{host}: {line}")
        return list(lines.values())

    def _unknown(self, names: variable_names.Names, hosts: Mapping[str, Variables], task_vars: Variables) -> list[str]:
        """Warn of names that may be mistakes, and return what is wrong with the others."""
        allowed = self._setting(variable_names.ALLOWED, task_vars, [])
        found = variable_names.findings(hosts, names, allowed if isinstance(allowed, list) else [])
        if self._setting(variable_names.MODE, task_vars, "fail") == "warn":
            found = found.loosened()
        for line in found.warnings:
            warn(line)
        return [*found.errors, *([variable_names.HINT] if found.errors else [])]

    def _setting(self, name: str, task_vars: Variables, default: Any) -> Any:
        """Return an input of all playbooks; one that can't be read is reported where its type is looked at."""
        try:
            return self._template(task_vars[name]) if name in task_vars else default
        except AnsibleError:
            return default

    def _template(self, value: Any) -> Any:
        return self._templar.template(value)


def _refused(error: BaseException | None) -> str | None:
    """Return what a filter of this collection has against its input, which Ansible wraps; None for other errors."""
    while error is not None and not isinstance(error, EvenkeelError):
        error = error.__cause__
    return None if error is None else str(error)


def _hosts(task_vars: Variables) -> dict[str, Variables]:
    """Return the variables of the play and of each of its hosts; of none in batches after the first."""
    alive = task_vars["ansible_play_hosts"]
    if alive and alive[0] not in task_vars["ansible_play_batch"]:
        return {}
    hosts = {host: task_vars["hostvars"].raw_get(host) for host in task_vars["ansible_play_hosts_all"]}
    own = hosts.get(task_vars["inventory_hostname"], task_vars)
    of_play = {name: value for name, value in task_vars.items() if name not in own}
    return {host: ChainMap(variables, of_play) for host, variables in hosts.items()}


def _set_too_late(names: Collection[str], given: Variables, task_vars: Variables) -> list[str]:
    """Return a line for each variable of the inventory that only the command line or an importing play can set."""
    own = task_vars["hostvars"].raw_get(task_vars["inventory_hostname"])
    return [
        str(
            EvenkeelError(
                f"{name} is set in the inventory, which Ansible reads too late for it", f"Set it with -e {name}"
            )
        )
        for name in names
        if name in own and name not in given and own[name] == task_vars[name]
    ]


def _unread_by_lock(options: Options, hosts: Mapping[str, Variables], task_vars: Variables) -> list[str]:
    """Return a line for each input of lock.yml that hosts have and the control node has not."""
    # A play knows the defaults of its roles, but only what a host has of its own is set for it.
    own = [getattr(variables, "maps", [variables])[0] for variables in hosts.values()]
    names = [name for name in (*options, *LOCK_READS) if any(name in variables for variables in own)]
    if not names:
        return []
    local = task_vars["hostvars"].raw_get("localhost")
    return [
        str(
            EvenkeelError(
                f"{name} is set for nodes, but lock.yml runs on the control node and does not read it",
                "Set it in the group all",
            )
        )
        for name in names
        if name not in local
    ]
