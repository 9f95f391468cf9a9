# SPDX-License-Identifier: GPL-3.0-or-later
"""How a survey leads the actions of many tasks to their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.survey import EARLIER
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.rehearsal import MOST_ROUNDS, Layer, Rehearsed, lead
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.role_tasks import Reference

Result = dict[str, Any]


def asking(*calls: Call, result: Callable[[list[Result]], Result] = lambda answers: answers[-1]) -> Callable[[], Steps]:
    """Return the steps of an action that makes calls, and whose result is made of the answers."""

    def steps() -> Steps:
        answers: list[Result] = []
        for call in calls:
            answers += [(yield call)]
        return result(answers)

    return steps


def raising(error: Exception, *calls: Call) -> Callable[[], Steps]:
    def steps() -> Steps:
        yield from asking(*calls, result=lambda _: {})()
        raise error

    return steps


def task(number: int, start: Callable[[], Steps], **others: Any) -> Rehearsed:
    return Rehearsed(number, "a", "", start, **others)


class Node:
    """Answers each call by a function, and keeps what it was asked in each round: module and options by layer."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Result]) -> None:
        self._answer = answer
        self.rounds: list[dict[str, list[tuple[str, Any]]]] = []

    def ask(self, calls: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[str, Sequence[Result]]:
        self.rounds.append({name: [(call["module"], call["options"]) for call in some] for name, some in calls.items()})
        return {name: [self._answer(call) for call in some] for name, some in calls.items()}


def echo(call: Mapping[str, Any]) -> Result:
    return {"changed": False, "of": call["module"], "key": f"key of {call['module']}"}


def results(layers: Mapping[str, Layer]) -> dict[str, list[Result | None]]:
    return {name: [one.result for one in layer.tasks] for name, layer in layers.items()}


def test_nothing_to_ask_is_no_round() -> None:
    node = Node(echo)
    layers = {"a": Layer(), "b": Layer([task(0, asking(), result={"failed": True})]), "c": Layer([task(0, none)])}
    lead(layers, node.ask)
    assert node.rounds == []
    assert results(layers) == {"a": [], "b": [{"failed": True}], "c": [{"changed": False}]}


def none() -> Steps:
    return {"changed": False}
    yield


def test_one_round_asks_all_layers_at_once() -> None:
    node = Node(echo)
    layers = {
        "a": Layer([task(0, asking(Call("m", {"x": 1}, {"h": 2}))), task(1, asking(Call("n", {})))]),
        "b": Layer([task(0, asking(Call("o", {})))]),
    }
    lead(layers, node.ask)
    assert node.rounds == [{"a": [("m", {"x": 1}), ("n", {})], "b": [("o", {})]}]
    assert [[one["of"] for one in some if one] for some in results(layers).values()] == [["m", "n"], ["o"]]


def test_what_is_handed_over_is_handed_on() -> None:
    handed = []

    def ask(calls: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[str, Sequence[Result]]:
        handed.append(calls["a"][0]["handed"])
        return {"a": [{}]}

    lead({"a": Layer([task(0, asking(Call("m", {}, {"h": 2})))])}, ask)
    assert handed == [{"h": 2}]


def test_a_further_round_asks_only_those_that_go_on() -> None:
    node = Node(echo)
    layers = {
        "a": Layer([task(0, asking(Call("m", {}), Call("m2", {}), Call("m3", {}))), task(1, asking(Call("n", {})))]),
        "b": Layer([task(0, asking(Call("o", {}), Call("o2", {})))]),
    }
    lead(layers, node.ask)
    assert node.rounds == [
        {"a": [("m", {}), ("n", {})], "b": [("o", {})]},
        {"a": [("m2", {})], "b": [("o2", {})]},
        {"a": [("m3", {})]},
    ]


def test_an_action_is_sent_the_answer_to_its_call() -> None:
    seen: list[list[Result]] = []

    def keep(answers: list[Result]) -> Result:
        seen.append(answers)
        return {"changed": True}

    layers = {"a": Layer([task(0, asking(Call("m", {}), Call("n", {}), result=keep))])}
    lead(layers, Node(echo).ask)
    assert [[one["of"] for one in answers] for answers in seen] == [["m", "n"]]
    assert results(layers) == {"a": [{"changed": True}]}


@pytest.mark.parametrize("calls", [(), (Call("m", {}),)], ids=["at once", "after an answer"])
@pytest.mark.parametrize(
    ("error", "result"),
    [
        (EvenkeelError("No lock", "Run lock.yml", rc=3), {"msg": "No lock. Run lock.yml.", "rc": 3}),
        (AnsibleError("'x' is undefined"), {"msg": "'x' is undefined"}),
        (KeyError("x"), {"unknown": True}),
    ],
)
def test_an_action_that_fails_is_alone_in_it(calls: tuple[Call, ...], error: Exception, result: Result) -> None:
    layers = {"a": Layer([task(0, raising(error, *calls)), task(1, asking(Call("n", {})))])}
    lead(layers, Node(echo).ask)
    failed, other = results(layers)["a"]
    assert failed is not None
    assert {"failed": True, "changed": False, **result}.items() <= failed.items()
    assert failed.get("unknown", False) is ("unknown" in result)
    assert other == echo({"module": "n"})


def test_an_action_that_never_ends_is_an_error() -> None:
    def steps() -> Steps:
        while True:
            yield Call("m", {})

    node = Node(echo)
    with pytest.raises(EvenkeelError, match="a does not come to an end"):
        lead({"a": Layer([task(0, steps)])}, node.ask)
    assert len(node.rounds) == MOST_ROUNDS


def of_two(node: Node, first: Callable[[], Steps] | None, **others: Any) -> Result | None:
    """Return the result of a task that refers to the key of a first one, which may not have been begun."""
    second = task(1, asking(Call("second", {"x": Reference(0, "key"), "y": 2})))
    tasks = [second] if first is None else [task(0, first, **others), second]
    lead({"a": Layer(tasks)}, node.ask)
    return second.result


def test_a_result_of_the_same_round_is_named_by_its_place() -> None:
    node = Node(echo)
    assert of_two(node, asking(Call("first", {}))) == echo({"module": "second"})
    assert node.rounds == [{"a": [("first", {}), ("second", {"x": {EARLIER: [0, "key"]}, "y": 2})]}]


def test_a_result_that_is_known_is_a_value() -> None:
    node = Node(echo)
    of_two(node, none, result={"changed": False, "key": "k"})
    assert node.rounds == [{"a": [("second", {"x": "k", "y": 2})]}]


def test_a_call_that_had_to_wait_is_made_again() -> None:
    """On the node, an answer of the first task's is not its result yet: the action makes that."""

    def answer(call: Mapping[str, Any]) -> Result:
        return {"waits": 0} if isinstance(call["options"].get("x"), dict) else {"found": 1}

    node = Node(answer)
    first = asking(Call("first", {}), Call("more", {}), result=lambda _: {"changed": True, "key": "made"})
    assert of_two(node, first) == {"found": 1}
    assert [some["a"][-1] for some in node.rounds] == [
        ("second", {"x": {EARLIER: [0, "key"]}, "y": 2}),
        ("second", {"x": {EARLIER: [0, "key"]}, "y": 2}),
        ("second", {"x": "made", "y": 2}),
    ]


@pytest.mark.parametrize(
    "result",
    [{"failed": True, "msg": "no"}, {"failed": True, "unknown": True, "msg": "no"}, {"changed": True}],
    ids=["failed", "unknown", "without the key"],
)
def test_what_builds_on_a_result_that_is_not_there_is_left_out(result: Result) -> None:
    node = Node(echo)
    assert of_two(node, none, result=result) == {"changed": False}
    assert node.rounds == []


def test_what_builds_on_a_task_whose_condition_does_not_hold_is_left_out() -> None:
    node = Node(echo)
    assert of_two(node, None) == {"changed": False}
    assert node.rounds == []


def test_places_count_only_what_is_asked() -> None:
    """The task between the two is left out of the round, for what it builds on has failed."""
    node = Node(echo)
    tasks = [
        task(0, none, result={"failed": True}),
        task(1, asking(Call("left out", {"x": Reference(0, "key")}))),
        task(2, asking(Call("m", {}))),
        task(3, asking(Call("n", {"x": Reference(2, "key")}))),
    ]
    lead({"a": Layer(tasks)}, node.ask)
    assert node.rounds == [{"a": [("m", {}), ("n", {"x": {EARLIER: [0, "key"]}})]}]
