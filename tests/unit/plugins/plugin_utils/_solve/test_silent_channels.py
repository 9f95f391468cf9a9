# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import mirror_health
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.mirror_health import Answer
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.silent_channels import require_answers

MAIN, R = "http://m/main", "http://m/r/"
INDEXES = ["http://m/main/noarch/repodata.json", "http://m/r/noarch/repodata.json"]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """What each URL answers, with nothing wrong where none is said; and how long each was waited for."""
    known: dict[str, Answer] = {}

    def ask(network: mirror_health.Network, url: str) -> Answer:
        known.setdefault(f"{url} {network.timeout:g}", Answer())
        return known.get(url, Answer())

    monkeypatch.setattr(mirror_health.Network, "ask", ask)
    return known


def test_channels_that_answer_are_asked_once_each_and_files_are_not(answers: dict[str, Answer]) -> None:
    with patience.asking_once(4, 60):
        assert require_answers([MAIN, R, "file:///srv/channel"]) == INDEXES
    assert set(answers) == {f"{url} 2" for url in INDEXES}


def test_a_silent_channel_is_named(answers: dict[str, Answer]) -> None:
    answers[INDEXES[1]] = Answer("sent nothing for 5 s", silent=True)
    with pytest.raises(EvenkeelError, match=rf"^{INDEXES[1]} sent nothing for 5 s\. Check that the control node"):
        require_answers([MAIN, R])


def test_a_channel_that_refuses_its_index_is_for_the_solver_to_judge(answers: dict[str, Answer]) -> None:
    answers[INDEXES[0]] = Answer("answered 404 Not Found")
    assert require_answers([MAIN]) == INDEXES[:1]
