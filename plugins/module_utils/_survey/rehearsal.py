# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What several modules would change, found in one run and without a change."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Params
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import (
    EvenkeelError,
    from_os,
    lacks_root,
    unexpected,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import long_enough, of_urls
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.layers import Answer, in_processes
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.logics import LOGICS, Rehearsed
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.survey import EARLIER

#: Ansible's own names of rules across options.
_RULES = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")


def read(
    calls: Mapping[str, Sequence[dict[str, Any]]],
    seconds: int,
    answer_seconds: int | None = None,
    variable: str | None = None,
) -> dict[str, list[Answer]]:
    """Call the modules of each layer as in check mode.

    With ``answer_seconds`` every server is asked once and may stay silent for so long; all layers begin at once then,
    since what takes long is to wait for servers.

    Each call is ``module``, ``options`` and ``handed``. An answer is the module's result, where ``failed`` with ``msg``
    is a problem and with ``unknown`` what could not be found out, or ``waits`` with the number of the earlier call
    whose result is not known on the node.
    """
    layers = {name: functools.partial(rehearse, calls[name]) for name in calls}
    at_once = max(2, os.cpu_count() or 1) if answer_seconds is None else max(len(layers), 1)
    with patience.asking_once(answer_seconds, seconds):
        found = in_processes(layers, seconds, at_once, variable or "")
    answers = {}
    for name, (given, why) in found.items():
        lacking = [unknown(why)] * (len(calls[name]) - len(given))
        answers[name] = [*given, *lacking]
    return answers


def rehearse(calls: Sequence[Mapping[str, Any]]) -> Iterator[Answer]:
    """Yield the answer to each call of a layer."""
    answers: list[Answer] = []
    for call in calls:
        answers.append(answered(call, answers))
        yield answers[-1]


def answered(call: Mapping[str, Any], answers: Sequence[Answer]) -> Answer:
    """Return the answer to a call, without secrets."""
    options = dict(call["options"])
    for name, value in options.items():
        if isinstance(value, dict) and EARLIER in value:
            number, key = value[EARLIER]
            if key not in answers[number]:
                return {"waits": number}
            options[name] = answers[number][key]
    os.umask(0o022)
    rehearsed = LOGICS[call["module"]]
    # An option of a wrong type is quoted in an error.
    secrets = {*long_enough(of_urls(options)), *hidden_texts(rehearsed.argument_spec, options)}
    try:
        given = parameters(rehearsed, options, call.get("handed", {}))
        secrets.update(long_enough(of_urls(given)), hidden_texts(rehearsed.argument_spec, given))
        secrets.update(rehearsed.secrets(given))
        answer = {"changed": False, **rehearsed.logic(given, True)}
        if answer["changed"] and os.geteuid() != 0:
            answer = problem(without_root())
    except EvenkeelError as error:
        answer = of_error(error)
    except OSError as error:
        if lacks_root(error):
            answer = problem(without_root())
        else:
            answer = {**unknown(str(from_os(error))), "exception": traceback.format_exc()}
    except Exception as error:
        answer = {**unknown(str(unexpected(error))), "exception": traceback.format_exc()}
    shown: Answer = remove_values(answer, secrets)
    return shown


def parameters(rehearsed: Rehearsed, options: Mapping[str, Any], handed: Mapping[str, Any]) -> Params:
    """Return a module's parameters, with defaults and of the declared types.

    Raises
    ------
    EvenkeelError
        Options don't fit the module's specification.
    """
    rules = {name: rule for name, rule in rehearsed.rules.items() if name in _RULES}
    params: Params = {}
    # Ansible fills in the defaults of nested options in the specification itself.
    for specification, given in ((rehearsed.argument_spec, options), (rehearsed.from_action, handed)):
        checked = ArgumentSpecValidator(deepcopy(dict(specification)), **rules).validate(dict(given))
        if checked.error_messages:
            raise EvenkeelError("; ".join(checked.error_messages), "Correct the variables that these come from")
        params.update(checked.validated_parameters)
        rules = {}
    return params


def hidden_texts(argument_spec: Mapping[str, Any], params: Any) -> Iterator[str]:
    """Yield the texts of all options that must not be shown."""
    for given in params if isinstance(params, list) else [params]:
        for name, option in argument_spec.items() if isinstance(given, dict) else ():
            value = given.get(name)
            if option.get("no_log") is True:
                yield from texts_in(value)
            elif value and "options" in option:
                yield from hidden_texts(option["options"], value)


def texts_in(value: Any) -> Iterable[str]:
    """Return all texts within a value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [] if value is None or isinstance(value, bool) or value == "" else [str(value)]


def without_root() -> EvenkeelError:
    """Return the one problem of all that roles may not do: they read and change what is root's."""
    return EvenkeelError(
        "The user of this run on the node, number %d, is not root" % os.geteuid(), "Set become: true for the play"
    )


def of_error(error: EvenkeelError) -> Answer:
    """Return the answer of a call that would fail, with root among the remedies where it lacks that."""
    if lacks_root(error.__cause__):
        return problem(without_root())
    answer = problem(error)
    if os.geteuid() != 0:
        # A program such as sshd may take a file that it must not read for a damaged one.
        answer["msg"] += " %s" % without_root()
    return answer


def problem(error: EvenkeelError) -> Answer:
    """Return an error as an answer."""
    return {"failed": True, "changed": False, "msg": str(error), **error.details}


def unknown(why: str) -> Answer:
    """Return the answer of a call that found nothing out."""
    return {"failed": True, "changed": False, "unknown": True, "msg": why}
