# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter.rollback_commands import FilterModule

OLD, OLDER, NEW = "0" * 64, "1" * 64, "2" * 64
BACK = f"ansible-playbook playbooks/rollback.yml -e rollback_env=ai-dev -e rollback_generation={'0' * 16}"
BACK_FURTHER = f"ansible-playbook playbooks/rollback.yml -e rollback_env=ai-dev -e rollback_generation={'1' * 16}"


def survey(**environments: dict[str, str]) -> dict[str, Any]:
    state = {f"conda_environment {name.replace('_', '-')}": found for name, found in environments.items()}
    return {"conda_environments": {"state": {**state, "conda_runtime": {"path": "/r"}}}, "jupyter": {}}


SWITCHED = survey(ai_dev={"was": OLD, "digest": NEW})


@pytest.mark.parametrize(
    ("surveys", "commands"),
    [
        ({"a": SWITCHED, "b": SWITCHED}, [BACK]),
        ({"a": SWITCHED, "b": survey(ai_dev={"was": NEW, "digest": NEW})}, [BACK]),
        (
            {"a": SWITCHED, "b": SWITCHED, "c": survey(ai_dev={"was": OLDER, "digest": NEW})},
            [f"{BACK} --limit a,b", f"{BACK_FURTHER} --limit c"],
        ),
        (
            {"a": survey(ai_dev={"was": OLD, "digest": NEW}, nlp={"was": OLDER, "digest": NEW})},
            [BACK, BACK_FURTHER.replace("ai-dev", "nlp")],
        ),
        ({"a": survey(ai_dev={"digest": NEW})}, []),
        ({"a": survey(ai_dev={"was": OLD})}, []),
        ({"a": {}}, []),
    ],
    ids=["all the same", "one is done", "different ones", "two environments", "new", "removed", "another layer"],
)
def test_rollback_commands(surveys: dict[str, Any], commands: list[str]) -> None:
    assert FilterModule().filters()["rollback_commands"](surveys) == commands
