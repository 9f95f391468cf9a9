# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: ask for all roles at once what their tasks would change on a node."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.clean import namespace_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience, run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.survey import ARGUMENT_SPEC
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import this_run
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import (
    Action,
    Call,
    Steps,
    lacks_python,
    show,
    warn,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.read_ahead import import_all, spare_workers
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import gpus
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import cached_facts, report, role_tasks
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.packed_code import packed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.plain_templates import UNKNOWN
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.rehearsal import Layer, Rehearsed, Result, lead
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.role_tasks import Reference, RoleTask
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.variables import Variables

ROLES = Path(__file__).parents[2] / "roles"
#: Roles that choose by the node's GPUs.
OF_GPUS = ("nvidia_driver", "cuda_toolkit")
FACTS = "evenkeel_gpu"
COLLECTION = "evenkeel.gpu"
#: What site.yml's chosen mirror was probed for, before any node was asked.
MIRROR_IN_USE = "evenkeel_mirror_in_use"
MOST_SECONDS = 86400
REPAIR = "Repair that on the node"
#: Where the hosts of a run note what they have said.
SAID = Path(constants.DEFAULT_LOCAL_TMP)
#: The layer in which the facts of the GPUs are read.
READING = "gpu_facts"


def load(file: Path) -> Any:
    """Return a file of tasks, whose texts may be templates."""
    return DataLoader().load_from_file(str(file), cache="none", unsafe=True, trusted_as_template=True)


# Ansible's main process imports this file before it forks a worker for each host: none of them has to do this again.
TASKS = {place.name: role_tasks.read(place, load) for place in ROLES.iterdir()}
CODE = packed()
import_all("action", frozenset(task.module for tasks in TASKS.values() for task in tasks))
spare_workers()


class ActionModule(Action):
    """Validate the roles' inputs, lead the actions of their tasks side by side, and report what they would do."""

    #: Facts that were gathered in this task, as a module returns them.
    _gathered: Mapping[str, Any] | None = None
    #: The lease of a run that has the node.
    _lease: run_lease.Reported | None = None

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        roles: list[str] = arguments["roles"]
        if not 1 <= arguments["seconds"] <= MOST_SECONDS:
            raise EvenkeelError(f"seconds is {arguments['seconds']}", f"Set it to a number from 1 to {MOST_SECONDS}")
        if (arguments.get("answer_seconds") or 1) < 1:
            raise EvenkeelError(f"answer_seconds is {arguments['answer_seconds']}", "Set it to a number from 1")
        if not roles:
            warn("No role was surveyed: none has one of the tags of this run, or all are skipped.")
        self._arguments, self._task_vars = arguments, task_vars
        begun = time.monotonic()
        with patience.asking_once(arguments.get("answer_seconds"), arguments["seconds"]):
            layers, of_gpus = self._surveyed(roles)
        found = {role: report.of_layer(layer.tasks, diff=self._task.diff) for role, layer in layers.items()}
        wrong = report.problems(found)
        asked = [role for role, layer in layers.items() if layer.tasks and (not layer.off or found[role]["changes"])]
        work = report.to_do(found, asked)
        if arguments["fail"] and arguments["lease"] and not self._task.check_mode and (work or wrong):
            wrong += self._other_run()
        result: dict[str, Any] = {"changed": False, "roles": roles, "asked": asked, "to_do": work}
        result["took"] = round(time.monotonic() - begun, 1)
        result["layers"] = {role: report.without_empty(layer) for role, layer in found.items()}
        if arguments["by_item"]:
            items = {role: report.of_items(layer.tasks, diff=self._task.diff) for role, layer in layers.items()}
            result["items"] = {role: by_item for role, by_item in items.items() if by_item}
        result["as_declared"] = not (work or wrong or any(layer["user_problems"] for layer in found.values()))
        facts = {**(self._gathered or {}), **({FACTS: of_gpus} if of_gpus else {})}
        if facts:
            result["ansible_facts"] = facts
        # What has something to do says its warnings itself.
        warnings = [text for role in roles if wrong or role not in work for text in found[role]["warnings"]]
        if wrong and arguments["fail"]:
            cached_facts.keep(str(task_vars["inventory_hostname"]), facts)
            said = [report.said_once(line, str(task_vars["inventory_hostname"]), SAID) for line in wrong]
            return {"failed": True, "changed": False, "msg": "\n".join(said), "warnings": warnings}
        if roles and not task_vars.get("role_name"):  # a role alone shows its tasks
            show(f"{task_vars['inventory_hostname']}: {', '.join(work) or 'nothing'} to do")
        return {**result, "warnings": warnings}

    def _other_run(self) -> list[str]:
        """Return the problem that another run changes the node."""
        other = self._lease
        if other is None or other["id"] == this_run.of(self._task_vars).id or run_lease.has_ended(other):
            return []
        return [] if this_run.takes_over(self._task_vars) else [str(run_lease.refusal(other))]

    def _surveyed(self, roles: Sequence[str]) -> tuple[dict[str, Layer], dict[str, Any] | None]:
        """Return what ``_layers`` does, with facts that are the node's."""
        known = cached_facts.are_enough(self._task_vars.get("ansible_facts", {}))
        if not known and not any(map(self._is_refused, roles)):
            self._gather()
        try:
            return self._layers(roles)
        except cached_facts.OldFactsError:
            self._gather()
            return self._layers(roles)

    def _layers(self, roles: Sequence[str]) -> tuple[dict[str, Layer], dict[str, Any] | None]:
        """Return the rehearsed layers, and the facts of the GPUs where they were read."""
        of_gpus = [role for role in roles if role in OF_GPUS]
        # What is known of GPUs may be newer than the cache.
        cached = self._task_vars.get("ansible_facts", {}).get(FACTS)
        known = gpus.merged(cached) if cached else None
        variables = self._variables(known)
        layers = {role: self._layer(role, variables) for role in roles if role not in of_gpus or known}
        if not of_gpus:
            lead(layers, self._ask)
            return layers, None
        reading = self._reading()
        lead({READING: reading, **layers}, self._ask)
        facts = self._facts(reading)
        # As a rule the node's GPUs are what they were in the last run, and one call was enough.
        if _deciding(facts) != _deciding(known):
            variables = self._variables(facts)
            again = {role: self._layer(role, variables) for role in of_gpus}
            lead(again, self._ask)
            layers.update(again)
        return {role: layers[role] for role in roles}, facts

    def _gather(self) -> None:
        """Gather the node's facts anew, for this task and all that follow."""
        answer = self._execute_module(
            module_name="ansible.builtin.setup", module_args={"gather_subset": ["min"]}, task_vars=self._task_vars
        )
        _require_python(answer)
        if "ansible_distribution" not in answer.get("ansible_facts", {}):
            raise EvenkeelError(f"The node's facts can't be gathered: {answer.get('msg', answer)}", REPAIR)
        self._gathered = answer["ansible_facts"]
        cached_facts.keep(str(self._task_vars["inventory_hostname"]), self._gathered)
        old = self._task_vars.get("ansible_facts", {})
        new = {**old, **namespace_facts(self._gathered)["ansible_facts"]}
        was, is_now = old.get("architecture"), new["architecture"]
        if was not in (None, is_now) and MIRROR_IN_USE in self._task_vars:
            raise EvenkeelError(
                f"The mirror was chosen for {was}, which the node was in the last run; it is {is_now} now",
                "Run again",
            )
        self._task_vars = {**self._task_vars, "ansible_facts": new}

    def _reading(self) -> Layer:
        return Layer([self._rehearsed("gpu_facts", 0, {}, self._templar, {})])

    def _facts(self, reading: Layer) -> dict[str, Any]:
        result = reading.tasks[0].result or {}
        if result.get("failed"):
            raise EvenkeelError(f"The GPUs can't be read: {result['msg']}", REPAIR)
        facts: dict[str, Any] = result["ansible_facts"][FACTS]
        return facts

    def _variables(self, facts: Mapping[str, Any] | None) -> Variables:
        """Return the host's variables, as they are where its GPUs have these facts."""
        values = dict(self._task_vars)
        if facts:
            values["ansible_facts"] = {**values.get("ansible_facts", {}), FACTS: facts}
        beginnings = [f"{start}{role.name}_" for role in ROLES.iterdir() for start in ("", "__")]
        return Variables(values, ["evenkeel_", *beginnings])

    def _is_refused(self, role: str) -> bool:
        """Return whether the inputs of a role are wrong, whatever the node is: it need not be asked then."""
        known = self._variables(None)
        templar = self._templar_in(role, known)
        try:
            return not _is_off(role, known, templar) and self._validated(role, templar, checks="") is not None
        except AnsibleError:
            return False

    def _layer(self, role: str, known: Variables) -> Layer:
        """Return the tasks of a role, or what is wrong with its inputs."""
        templar = self._templar_in(role, known)
        off = _is_off(role, known, templar)
        if not off:
            known.resolve([name for name in known.values if name.startswith(f"{role}_")], templar.template)
            known.resolve_all_in(known.values.get(f"__{role}_checks"), templar.template)
        try:
            wrong = None if off else self._validated(role, templar, f"__{role}_checks")
            if wrong is None:
                return Layer(
                    [
                        one
                        for number, task in enumerate(TASKS[role])
                        for one in self._of_task(task, number, known, templar)
                    ],
                    off,
                )
        except AnsibleError as error:
            wrong = str(error)
        failed = {"failed": True, "changed": False, "msg": wrong}
        return Layer([Rehearsed(0, "validate_inputs", "", _nothing, result=failed)])

    def _templar_in(self, role: str, known: Variables) -> Templar:
        """Return what evaluates the templates of a role."""
        place = ROLES / role
        # Lookups of files begin in the role, and go on where the role's own would.
        others = [path for path in self._task_vars.get("ansible_search_path", []) if path != str(place)]
        known.values.update(
            {
                "ansible_collection_name": COLLECTION,
                "ansible_role_name": f"{COLLECTION}.{role}",
                "ansible_search_path": [str(place), *others],
                "role_name": role,
                "role_path": str(place),
            }
        )
        return self._templar.copy_with_new_env(available_variables=known.values)

    def _validated(self, role: str, templar: Templar, checks: str) -> str | None:
        """Return what is wrong with a role's inputs; the variable ``checks`` has what may depend on facts."""
        options = {"checks": checks} if checks in templar.available_variables else {}
        answer = self._action("validate_inputs", options, templar).act(templar.available_variables)
        return str(answer["msg"]) if answer.get("failed") else None

    def _of_task(self, task: RoleTask, number: int, known: Variables, templar: Templar) -> list[Rehearsed]:
        """Return what a task would run: nothing, once, or for each item of its loop."""
        if task.loop is None:
            items: list[dict[str, Any]] = [{}]
        else:
            items = [{task.loop_var: item} for item in templar.template(task.loop)]
        found = []
        # What a task sets itself may have templates.
        unknown = dict.fromkeys(task.variables, UNKNOWN)
        for item in items:
            own = {**task.variables, **item}
            of_item = templar.copy_with_new_env(available_variables={**known.values, **own}) if own else templar
            if all(of_item.evaluate_conditional(condition) for condition in task.conditions):
                known.resolve_all_in(task.options, templar.template)
                asked = {**self._defaults(task.module), **task.options}
                options = known.filled(asked, {**unknown, **item})
                found.append(self._rehearsed(task.module, number, options, of_item, item))
        return found

    def _rehearsed(
        self, module: str, number: int, asked: Mapping[str, Any], templar: Templar, item: Mapping[str, Any]
    ) -> Rehearsed:
        written = {name: value for name, value in asked.items() if not isinstance(value, Reference)}
        references = {name: value for name, value in asked.items() if isinstance(value, Reference)}
        options = {**templar.template(written), **references}
        names = [value.get("name", "") if isinstance(value, Mapping) else value for value in item.values()]
        return Rehearsed(
            number,
            module,
            next((name for name in names if isinstance(name, str)), ""),
            lambda: self._steps(module, options, templar),
        )

    def _defaults(self, module: str) -> dict[str, Any]:
        """Return what a play's ``module_defaults`` say of a module."""
        defaults = {name: options for one in self._task.module_defaults or () for name, options in one.items()}
        of_group = defaults.get(f"group/{COLLECTION}.all") or {}
        return {**of_group, **(defaults.get(f"{COLLECTION}.{module}") or {})}

    def _steps(self, module: str, options: dict[str, Any], templar: Templar) -> Steps:
        action = self._action(module, options, templar)
        if action is None:
            return _call(module, options)
        steps: Steps = action.steps(templar.available_variables)
        return steps

    def _action(self, module: str, options: dict[str, Any], templar: Templar) -> Any:
        """Return the action of a module, for a task in check mode; None where there is none."""
        task = self._task.copy(exclude_parent=True)
        task.args, task.check_mode, task.diff = options, True, self._task.diff
        action = self._shared_loader_obj.action_loader.get(
            f"{COLLECTION}.{module}",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        if action is not None:
            action.precedes_run = not self._task.check_mode
        return action

    def _ask(self, calls: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[str, Sequence[Result]]:
        handed = {"layers": calls, "digest": CODE.digest}
        answer = self.execute(Call("survey", self._arguments, handed), self._task_vars)
        if "wanted" in answer:
            answer = self.execute(Call("survey", self._arguments, {**handed, "packed": CODE.text}), self._task_vars)
        _require_python(answer)
        if "answers" not in answer:
            raise EvenkeelError(f"The node can't be surveyed: {answer.get('msg', answer)}", REPAIR)
        # As a rule the node is what it was in the last run, and nothing is asked twice.
        facts = self._task_vars.get("ansible_facts", {})
        if self._gathered is None and not cached_facts.are_of(answer["node"], facts):
            raise cached_facts.OldFactsError
        self._lease = self._lease or answer["lease"]
        answers: Mapping[str, Sequence[Result]] = answer["answers"]
        return answers


def _require_python(answer: Mapping[str, Any]) -> None:
    if lacks_python(answer):
        raise EvenkeelError("The node has no Python", "Run site.yml, which installs one", no_python=True)


def _deciding(facts: Mapping[str, Any] | None) -> str:
    """Return the facts that a choice can depend on, as they are compared: a cache has them from JSON."""
    kept = {name: value for name, value in (facts or {}).items() if name != "processes"}
    return json.dumps(kept, sort_keys=True, default=str)


def _is_off(role: str, known: Variables, templar: Templar) -> bool:
    """Return whether a role has a switch that is off; its other inputs are then nobody's concern."""
    switch, state = f"{role}_enabled", f"{role}_state"
    known.resolve([switch, state], templar.template)
    try:
        return known.values.get(state) == "absent" or not boolean(known.values.get(switch, True))
    except TypeError:  # which validation reports
        return False


def _call(module: str, options: Mapping[str, Any]) -> Steps:
    return (yield Call(module, options))


def _nothing() -> Steps:
    return {}
    yield
