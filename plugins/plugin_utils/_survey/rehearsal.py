# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The actions of many tasks, led side by side: in each round, one run on the node answers what all of them ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, unexpected
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.survey import EARLIER
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.role_tasks import Reference

#: No action asks more often.
MOST_ROUNDS = 10

Result = dict[str, Any]
#: Takes the calls of each layer, and returns their answers.
Ask = Callable[[Mapping[str, Sequence[Mapping[str, Any]]]], Mapping[str, Sequence[Result]]]


@dataclass
class Rehearsed:
    """A task that is rehearsed.

    Attributes
    ----------
    number
        That of its task within the role; items of a loop share it.
    item
        The name of the loop's item; empty without one.
    start
        Returns the action's steps; called when the task is first asked about.
    result
        What the task would return; None until that is known.
    """

    number: int
    module: str
    item: str
    start: Callable[[], Steps]
    result: Result | None = None
    _steps: Steps | None = None
    call: Call | None = None

    @property
    def label(self) -> str:
        """What the task is about."""
        return f"{self.module} {self.item}".rstrip()

    def proceed(self, answer: Result | None) -> None:
        """Go on to the next call or the result."""
        try:
            if self._steps is None:
                self._steps = self.start()
            self.call = self._steps.send(answer)  # type: ignore[arg-type]
        except StopIteration as end:
            self.call, self.result = None, end.value
        except EvenkeelError as error:
            self._fail(str(error), **error.details)
        except AnsibleError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(str(unexpected(error)), unknown=True)

    def _fail(self, message: str, **details: Any) -> None:
        self.call, self.result = None, {"failed": True, "changed": False, "msg": message, **details}


@dataclass
class Layer:
    """The tasks of a role that are rehearsed.

    Attributes
    ----------
    off
        Whether the role is switched off, so that it takes down what it has made.
    """

    tasks: list[Rehearsed] = field(default_factory=list)
    off: bool = False

    def calls(self) -> tuple[list[Rehearsed], list[dict[str, Any]]]:
        """Return the tasks that ask in this round, and what they ask."""
        asking: list[Rehearsed] = []
        calls = []
        for task, call in [(task, task.call) for task in self.tasks if task.call is not None]:
            options = self._options(call, asking)
            if options is None:  # what it builds on has failed, which is reported
                task.call, task.result = None, {"changed": False}
                continue
            asking.append(task)
            calls.append({"module": call.module, "options": options, "handed": dict(call.handed)})
        return asking, calls

    def _options(self, call: Call, asking: Sequence[Rehearsed]) -> dict[str, Any] | None:
        """Return a call's options, where what earlier tasks ask now is referred to; None if that can't be known."""
        options = dict(call.options)
        for name, value in options.items():
            if not isinstance(value, Reference):
                continue
            earlier = next((one for one in self.tasks if one.number == value.task), None)
            if earlier is None:  # its condition does not hold
                return None
            if earlier.result is None:
                options[name] = {EARLIER: [asking.index(earlier), value.key]}
            elif value.key in earlier.result:
                options[name] = earlier.result[value.key]
            else:
                return None
        return options


def lead(layers: Mapping[str, Layer], ask: Ask) -> None:
    """Lead all tasks to their results.

    Raises
    ------
    EvenkeelError
        An action does not come to an end.
    """
    for task in _all(layers):
        if task.result is None and task.call is None:
            task.proceed(None)
    for _unused in range(MOST_ROUNDS):
        asked = {name: asked for name, layer in layers.items() if (asked := layer.calls())[1]}
        if not asked:
            return
        answers = ask({name: calls for name, (_tasks, calls) in asked.items()})
        for name, (tasks, _calls) in asked.items():
            for task, answer in zip(tasks, answers[name], strict=True):
                if "waits" not in answer:
                    task.proceed(answer)
    raise EvenkeelError(
        f"The survey of {', '.join(sorted(layers))} does not come to an end",
        "Report it; evenkeel_survey: false does without",
    )


def _all(layers: Mapping[str, Layer]) -> Iterable[Rehearsed]:
    return [task for layer in layers.values() for task in layer.tasks]
