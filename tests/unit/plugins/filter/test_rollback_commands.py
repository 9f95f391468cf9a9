# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter.rollback_commands import FilterModule

rollback_commands = FilterModule().filters()["rollback_commands"]

OLD, OLDER, NEW = "0" * 64, "1" * 64, "2" * 64
CALL = "ansible-playbook evenkeel.gpu.rollback -i /srv/site/hosts.yml"
BACK = f"{CALL} -e rollback_env=ai-dev -e rollback_generation={'0' * 12}"
BACK_FURTHER = f"{CALL} -e rollback_env=ai-dev -e rollback_generation={'1' * 12}"
INSTALLED = "/home/ops/.ansible/collections/ansible_collections/evenkeel/gpu/playbooks"


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
    assert rollback_commands(surveys, ["/srv/site/hosts.yml"], INSTALLED) == commands


def called(inventories: list[str], playbooks: str, *, node: str = "a") -> str:
    """Return the arguments of ansible-playbook of the first of two commands, up to the environment, and its limit."""
    other = survey(ai_dev={"was": OLDER, "digest": NEW})
    before, _, after = rollback_commands({node: SWITCHED, "b": other}, inventories, playbooks)[0].partition(" -e ")
    return f"{before.removeprefix('ansible-playbook ')} --limit{after.partition(' --limit')[2]}"


def test_the_inventories_are_those_of_the_run_quoted_for_a_shell() -> None:
    assert called(["/srv/my site/hosts", "x,y,", "/srv/$HOME"], INSTALLED, node="a b").split(" ", 1)[1] == (
        "-i '/srv/my site/hosts' -i x,y, -i '/srv/$HOME' --limit 'a b'"
    )
    assert called([], INSTALLED) == "evenkeel.gpu.rollback --limit a"


@pytest.mark.parametrize(
    ("playbooks", "name"),
    [
        (INSTALLED, "evenkeel.gpu.rollback"),
        (f"{INSTALLED}/", "evenkeel.gpu.rollback"),
        ("{working}/playbooks", "playbooks/rollback.yml"),
        ("{working}/my clone/playbooks", "'my clone/playbooks/rollback.yml'"),
        ("{working}", "rollback.yml"),
        ("/srv/evenkeel/playbooks", "/srv/evenkeel/playbooks/rollback.yml"),
        ("/srv/ansible_collections/other/gpu/playbooks", "/srv/ansible_collections/other/gpu/playbooks/rollback.yml"),
    ],
)
def test_the_playbook_is_named_as_where_the_run_was_started(
    playbooks: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called([], playbooks.format(working=tmp_path)) == f"{name} --limit a"
